//! One look at the relay for `guichet doctor`: connects, greets, protects, signs in, and says goodbye. No mail is sent.

use super::SmtpRelay;
use super::connect;
use super::fault::{Step, What, why};
use crate::channel::probe::Finding;
use crate::config::settings::Tls;
use tokio::time::{Instant, timeout_at};

impl SmtpRelay {
    /// Tries the way to the relay, as far as it gets.
    pub async fn probe(&self) -> Vec<Finding> {
        let deadline = Instant::now() + self.account.time_limit;
        let mut steps = vec![Step::Connect];
        steps.extend((self.account.tls != Tls::None).then_some(Step::Secure));
        steps.push(Step::Hello);
        steps.extend(self.account.credentials.is_some().then_some(Step::SignIn));
        let word = |step: Step| {
            let at = if step == Step::Connect { format!(" to {}:{}", self.account.host, self.account.port) } else { String::new() };
            format!("{}{at}", step.word())
        };
        match connect::connect(&self.account, self.tls.as_ref(), deadline).await {
            Ok(mut connection) => {
                let _ = timeout_at(deadline, connection.quit()).await;
                steps.into_iter().map(|step| Finding::ok(word(step))).collect()
            }
            Err(fault) => {
                let said = why(&fault);
                let said = said.strip_prefix(&format!("{}: ", fault.step.word())).unwrap_or(&said);
                let mut findings: Vec<_> =
                    steps.into_iter().filter(|step| *step < fault.step).map(|step| Finding::ok(word(step))).collect();
                findings.push(Finding::failed(word(fault.step), said, remedy(fault.step, &fault.what)));
                findings
            }
        }
    }
}

const fn remedy(step: Step, what: &What) -> &'static str {
    match (step, what) {
        (Step::SignIn, What::Reply { .. }) => "the server can be reached: check user and password",
        (Step::Connect, _) => "check host and port, whether the server runs, and whether this machine may reach it",
        (Step::Secure, _) => "check tls, port and ca_file: the server has to offer TLS there, with a certificate for this host name",
        (Step::Hello | Step::SignIn | Step::Sender | Step::Recipient | Step::Data | Step::Content, _) => {
            "check port, tls and hello: the server has to speak SMTP there, and to take mail from this machine"
        }
    }
}
