//! What changes while the daemon runs, all or nothing (P12).
//!
//! - SIGHUP reads rules, customers and texts anew; a configuration with a fault leaves the old one in force.
//! - A file of customers that has changed is read without being told, once it has rested between two looks; one with a fault leaves
//!   the old one in force, and is not tried again until it changes.
//!
//! One task does both, so that neither undoes what the other did.

use crate::config;
use crate::config::fault::Fault;
use crate::config::settings::Settings;
use crate::domain::customer::Directory;
use crate::domain::directory::Edition;
use crate::domain::policy::Policy;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often the file of customers is looked at: its size and times, not its content.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Faults that are logged of one reading; `guichet check` shows all.
const FAULTS_LOGGED_MAX: usize = 10;

/// What was read last and not taken, in words for those who run the desk. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Arc<Mutex<BTreeMap<What, String>>>);

/// What is read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Configuration,
    Customers,
}

impl Refusals {
    /// A sentence each; none if all is in force that was read.
    pub(crate) fn sentences(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// `None`: it was taken, or is as it was.
    fn note(&self, what: What, refused: Option<String>) {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match refused {
            Some(why) => refusals.insert(what, why),
            None => refusals.remove(&what),
        };
    }

    fn note_faults(&self, what: What, faults: &[Fault]) {
        let subject = match what {
            What::Configuration => "the configuration that was read on SIGHUP was not taken, and the old one is in force",
            What::Customers => "the file of customers was not taken, and its old rows are in force",
        };
        let first = faults.first().map_or_else(String::new, |fault| format!("; the first: {fault}"));
        self.note(what, Some(format!("{subject}: {} faults{first}", faults.len())));
    }
}

/// Keeps the policy up to date until it is told to stop.
pub(crate) async fn run<R>(
    mut hangup: Signal,
    reload: R,
    customers_file: Option<PathBuf>,
    policy: watch::Sender<Arc<Policy>>,
    refusals: Refusals,
    stop: CancellationToken,
) where
    R: Fn(&Policy) -> Result<Settings, Vec<Fault>> + Send + Sync + 'static,
{
    let reload = Arc::new(reload);
    let mut watched = Watched { file: customers_file, seen: None, refused: Refused::Nothing };
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    show(&policy.borrow().customers, false);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hangup.recv() => {
                let (reload, in_force) = (reload.clone(), policy.borrow().clone());
                // A large file of customers holds up no socket.
                match spawn_blocking(move || reload(&in_force)).await {
                    Ok(Ok(settings)) => {
                        warn(&settings.warnings);
                        watched = Watched { file: settings.customers_file, seen: None, refused: Refused::Nothing };
                        show(&settings.policy.customers, false);
                        policy.send_replace(settings.policy);
                        refusals.note(What::Configuration, None);
                        refusals.note(What::Customers, None);
                        count("guichet_reloads_total", "taken");
                        tracing::info!("configuration read anew: rules, customers, calendars and texts; hosts and folders need a restart");
                    }
                    Ok(Err(faults)) => {
                        count("guichet_reloads_total", "refused");
                        log(&faults);
                        refusals.note_faults(What::Configuration, &faults);
                        tracing::error!(faults = faults.len(), "the configuration was not taken; the old one stays in force");
                    }
                    Err(fault) => {
                        count("guichet_reloads_total", "refused");
                        refusals.note(What::Configuration, Some(format!("reading the configuration on SIGHUP failed: {fault}")));
                        tracing::error!(%fault, "reading the configuration failed; the old one stays in force");
                    }
                }
            }
            _ = looks.tick() => look(&mut watched, &policy, &refusals).await,
        }
    }
}

/// The file of customers, as it was when it was last looked at.
struct Watched {
    file: Option<PathBuf>,
    /// `None` where it could not be seen.
    seen: Option<Edition>,
    /// What was read and not taken.
    refused: Refused,
}

/// The file that was read and not taken, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Nothing,
    /// `None` where it could not be seen.
    This(Option<Edition>),
}

/// What a look at the file calls for.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// It is the one in force.
    Same,
    /// It may still be being written, or was refused.
    Wait,
    Read,
}

impl Watched {
    fn look(&mut self, now: Option<Edition>, in_force: Option<Edition>) -> Look {
        let rests = self.seen == now;
        self.seen = now;
        if now.is_some() && now == in_force {
            self.refused = Refused::Nothing;
            return Look::Same;
        }
        if !rests || self.refused == Refused::This(now) { Look::Wait } else { Look::Read }
    }
}

async fn look(watched: &mut Watched, policy: &watch::Sender<Arc<Policy>>, refusals: &Refusals) {
    let Some(file) = watched.file.clone() else { return };
    let in_force = policy.borrow().clone();
    let looked_at = file.clone();
    // A disk that hangs holds up no socket, either.
    let Ok(now) = spawn_blocking(move || config::edition_of(&looked_at)).await else { return };
    let was_refused = watched.refused != Refused::Nothing;
    match watched.look(now, in_force.customers.edition()) {
        Look::Same if was_refused => {
            refusals.note(What::Customers, None);
            show(&in_force.customers, false);
        }
        Look::Same | Look::Wait => {}
        Look::Read => {
            let before = in_force.clone();
            let read = spawn_blocking(move || config::load_customers(&file, &before)).await;
            match read {
                Ok(Ok(customers)) => {
                    watched.refused = Refused::Nothing;
                    refusals.note(What::Customers, None);
                    show(&customers, false);
                    tracing::info!(rows = customers.len(), "the file of customers has changed and was read anew");
                    policy.send_replace(Arc::new(Policy { customers, ..Policy::clone(&in_force) }));
                    count("guichet_customers_reloads_total", "taken");
                }
                Ok(Err(faults)) => {
                    watched.refused = Refused::This(now);
                    show(&in_force.customers, true);
                    count("guichet_customers_reloads_total", "refused");
                    log(&faults);
                    refusals.note_faults(What::Customers, &faults);
                    tracing::error!(faults = faults.len(), "the changed file of customers was not taken; the old one stays in force");
                }
                Err(fault) => {
                    watched.refused = Refused::This(now);
                    show(&in_force.customers, true);
                    count("guichet_customers_reloads_total", "refused");
                    refusals.note(What::Customers, Some(format!("reading the file of customers failed: {fault}")));
                    tracing::error!(%fault, "reading the file of customers failed; the old one stays in force");
                }
            }
        }
    }
}

/// What is of no use in a configuration that is in force.
pub(crate) fn warn(warnings: &[Fault]) {
    for warning in warnings.iter().take(FAULTS_LOGGED_MAX) {
        tracing::warn!(%warning, "configuration");
    }
    if warnings.len() > FAULTS_LOGGED_MAX {
        tracing::warn!(more = warnings.len() - FAULTS_LOGGED_MAX, "further warnings: `guichet check` shows them");
    }
}

fn log(faults: &[Fault]) {
    for fault in faults.iter().take(FAULTS_LOGGED_MAX) {
        tracing::error!(%fault, "configuration");
    }
    if faults.len() > FAULTS_LOGGED_MAX {
        tracing::error!(more = faults.len() - FAULTS_LOGGED_MAX, "further faults: `guichet check` shows them");
    }
}

fn show(customers: &Directory, refused: bool) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; rows are far below 2^52")]
    metrics::gauge!("guichet_customers_rows").set(customers.len() as f64);
    metrics::gauge!("guichet_customers_refused").set(f64::from(u8::from(refused)));
}

fn count(name: &'static str, outcome: &'static str) {
    metrics::counter!(name, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_a_changed_file_is_read_once_it_rests() {
        let (old, half, new) = (Some(Edition([1; 7])), Some(Edition([2; 7])), Some(Edition([3; 7])));
        let mut watched = Watched { file: None, seen: None, refused: Refused::Nothing };
        for (now, in_force, expect, why) in [
            (old, old, Look::Same, "as it was read"),
            (half, old, Look::Wait, "it changes"),
            (new, old, Look::Wait, "and goes on to"),
            (new, old, Look::Read, "it rests"),
            (new, new, Look::Same, "and was taken"),
            (None, new, Look::Wait, "it is away for the moment between two renames"),
            (new, new, Look::Same, "and back"),
            (None, new, Look::Wait, "it is away"),
            (None, new, Look::Read, "for good: a fault to tell of"),
        ] {
            assert_eq!(watched.look(now, in_force), expect, "{why}");
        }
        watched.refused = Refused::This(None);
        assert_eq!(watched.look(None, new), Look::Wait, "told of once");
        assert_eq!((watched.look(half, new), watched.look(half, new)), (Look::Wait, Look::Read), "until it changes");
        assert_eq!(watched.look(new, new), Look::Same);
        assert_eq!(watched.refused, Refused::Nothing, "the old one was put back");
    }

    #[tokio::test]
    async fn p12_a_wrong_file_leaves_the_old_one_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.csv");
        let put = |text: &str| {
            std::fs::write(dir.path().join("new"), text).unwrap();
            std::fs::rename(dir.path().join("new"), &file).unwrap();
        };
        put("address,tier\na@x.example,standard\n");
        let text = "[desk]\nname = 'x'\nstate_dir = 's'\ncustomers = 'c.csv'\n[[mailbox]]\nname = 'a'\naddress = 'a@b.example'\n\
            maildir = 'in'\n[smtp]\nmaildir = 'out'\n[[team]]\nname = 't'\nmanager = 'm@b.example'\n";
        let settings = config::load_text("g.toml", text, dir.path()).unwrap();
        assert_eq!(settings.customers_file.as_deref(), Some(file.as_path()));
        let (policy, seen) = watch::channel(settings.policy);
        let mut watched = Watched { file: settings.customers_file, seen: None, refused: Refused::Nothing };
        let refusals = Refusals::default();
        let rows = || seen.borrow().customers.len();
        for (text, expect, why) in [
            (None, 1, "as it was"),
            (Some("address,tier\na@x.example,standard\n@x.example,standard\n"), 2, "another row"),
            (Some("address,tier\na@x.example,gold\n"), 2, "a tier that is none"),
            (Some("address,tier\na@x.example,standard\n"), 1, "mended"),
        ] {
            if let Some(text) = text {
                put(text);
            }
            for _ in 0..3 {
                look(&mut watched, &policy, &refusals).await;
            }
            assert_eq!(rows(), expect, "{why}");
            assert_eq!(refusals.sentences().len(), usize::from(why == "a tier that is none"), "{why}: {:?}", refusals.sentences());
        }
        std::fs::remove_file(&file).unwrap();
        for _ in 0..3 {
            look(&mut watched, &policy, &refusals).await;
        }
        assert_eq!((rows(), watched.refused), (1, Refused::This(None)), "away");
    }
}
