//! Asks the DNS what a check of a sender needs. The only user of a resolver; what an answer means is not its business.
//!
//! - Each question has a time limit, and so has a whole check: [`Resolver::limit`]. No mail is held up longer by it (P3).
//! - Answers are kept as long as they say, an hour at most, in a cache with a limit in octets (P11). Failures are not kept.
//! - A sender may run name servers that never answer. That costs his own mails the limit, and no others: only when the resolver
//!   answers nothing at all is nobody asked for a while, so that with a dead DNS the limit is paid once in that while and not by each
//!   mail.

use super::probe::Finding;
use crate::config::settings::DnsSettings;
use crate::mail::authenticity::facts::{Answer, Question};
use futures_util::future::join_all;
use mail_auth::hickory_resolver::TokioResolver;
use mail_auth::hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use mail_auth::hickory_resolver::lookup::Lookup;
use mail_auth::hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::hickory_resolver::net::{DnsError, NetError};
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::hickory_resolver::proto::rr::{Name, RData, RecordType};
use mail_auth::hickory_resolver::system_conf::read_system_conf;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// Memory of the cache, in octets, with what an entry costs besides its name and answer.
const CACHE_OCTETS_MAX: usize = 2 << 20;
const ENTRY_OCTETS: usize = 128;
/// How long an answer is kept: as long as it says, at most an hour; and that there is none, a minute.
const KEPT_MAX: Duration = Duration::from_hours(1);
const NOTHING_KEPT: Duration = Duration::from_mins(1);
/// Questions under way at once, of all mails together.
const UNDER_WAY_MAX: usize = 64;
/// How long nobody is asked once nothing answers.
const QUIET: Duration = Duration::from_secs(15);

/// Cheap to clone.
#[derive(Clone)]
pub struct Resolver(Arc<Parts>);

struct Parts {
    settings: DnsSettings,
    /// Made when it is first needed: a desk that checks nobody reads no `/etc/resolv.conf`.
    asked: OnceLock<Result<TokioResolver, String>>,
    /// Never held over an await.
    cache: Mutex<Cache>,
    quiet_until: Mutex<Option<Instant>>,
    probing: AtomicBool,
    slots: Semaphore,
}

impl Resolver {
    /// One that asks nothing yet.
    #[must_use]
    pub fn new(settings: DnsSettings) -> Self {
        Self(Arc::new(Parts {
            settings,
            asked: OnceLock::new(),
            cache: Mutex::new(Cache::default()),
            quiet_until: Mutex::new(None),
            probing: AtomicBool::new(false),
            slots: Semaphore::new(UNDER_WAY_MAX),
        }))
    }

    /// How long all questions about one mail may take together.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.0.settings.timeout
    }

    /// All answers, at once or after the limit; [`Answer::Trouble`] where there is none.
    pub async fn ask(&self, questions: &[Question]) -> Vec<(Question, Answer)> {
        join_all(questions.iter().map(async |question| (question.clone(), self.answer(question).await))).await
    }

    async fn answer(&self, question: &Question) -> Answer {
        if !question.is_askable() {
            return Answer::Nothing;
        }
        if let Some(answer) = self.cache(|cache| cache.get(question, Instant::now())) {
            return answer;
        }
        if self.is_quiet() {
            return Answer::Trouble;
        }
        let (answer, kept_until) = timeout(self.limit(), self.look_up(question)).await.unwrap_or_else(|_| {
            self.doubt();
            (Answer::Trouble, None)
        });
        let answer = answer.bounded();
        if let Some(until) = kept_until {
            self.cache(|cache| cache.put(question, answer.clone(), until, Instant::now()));
        }
        answer
    }

    async fn look_up(&self, question: &Question) -> (Answer, Option<Instant>) {
        let (Ok(resolver), Ok(_slot)) = (self.asked(), self.0.slots.acquire().await) else { return (Answer::Trouble, None) };
        // With its dot at the end: nothing is sought in the machine's own domains.
        let Ok(name) = Name::from_ascii(format!("{}.", question.name())) else { return (Answer::Nothing, None) };
        let kind = match question {
            Question::Text(_) => RecordType::TXT,
            Question::V4(_) => RecordType::A,
            Question::V6(_) => RecordType::AAAA,
            Question::Exchanges(_) => RecordType::MX,
        };
        let now = Instant::now();
        match resolver.lookup(name, kind).await {
            Ok(lookup) => {
                let until = Instant::from_std(lookup.valid_until()).min(now + KEPT_MAX);
                (answer_of(&lookup, question), Some(until))
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
            {
                (Answer::Nothing, Some(now + NOTHING_KEPT))
            }
            Err(fault) => {
                tracing::debug!(%fault, "the DNS gave no answer");
                (Answer::Trouble, None)
            }
        }
    }

    fn asked(&self) -> Result<&TokioResolver, &String> {
        self.0.asked.get_or_init(|| build(&self.0.settings)).as_ref()
    }

    /// Something was not answered in time: is anything? Asked beside, so that no mail waits for it.
    pub fn doubt(&self) {
        if self.is_quiet() || self.0.probing.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            if let Err(fault) = this.reach().await {
                tracing::warn!(fault, "the DNS does not answer: senders are not checked for {} s", QUIET.as_secs());
                *this.0.quiet_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + QUIET);
            }
            this.0.probing.store(false, Ordering::Release);
        });
    }

    fn is_quiet(&self) -> bool {
        self.0.quiet_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    /// Whether a resolver is there that answers anything: a question about the root, which every resolver knows. An error that a
    /// server says is an answer, too.
    async fn reach(&self) -> Result<(), String> {
        let resolver = self.asked().map_err(Clone::clone)?;
        match timeout(self.limit(), resolver.lookup(Name::root(), RecordType::NS)).await {
            Ok(Ok(_) | Err(NetError::Dns(_))) => Ok(()),
            Ok(Err(fault)) => Err(fault.to_string()),
            Err(_) => Err(format!("no answer within {} s", self.limit().as_secs_f32())),
        }
    }

    /// For `guichet doctor`.
    pub async fn probe(&self) -> Vec<Finding> {
        let what = if self.0.settings.servers.is_empty() {
            "the system's resolver answers".to_owned()
        } else {
            let servers: Vec<String> = self.0.settings.servers.iter().map(ToString::to_string).collect();
            format!("{} answers", servers.join(", "))
        };
        vec![match self.reach().await {
            Ok(()) => Finding::ok(what),
            Err(fault) => Finding::failed(what, &fault, "check dns.servers or /etc/resolv.conf, or leave check_senders out"),
        }]
    }

    fn cache<T>(&self, work: impl FnOnce(&mut Cache) -> T) -> T {
        work(&mut self.0.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn build(settings: &DnsSettings) -> Result<TokioResolver, String> {
    let (servers, mut options) = if settings.servers.is_empty() {
        let (system, options) = read_system_conf().map_err(|fault| format!("the system's resolver cannot be used: {fault}"))?;
        (system.name_servers().to_vec(), options)
    } else {
        let server = |address: &std::net::SocketAddr| {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            for connection in &mut server.connections {
                let connection: &mut ConnectionConfig = connection;
                connection.port = address.port();
            }
            server
        };
        (settings.servers.iter().map(server).collect(), ResolverOpts::default())
    };
    // A lost datagram is sent again within the limit of a whole check.
    options.timeout = settings.timeout.mul_f32(0.4);
    options.attempts = 2;
    // The cache is ours, in octets; theirs counts entries.
    options.cache_size = 0;
    // Answers may be large, and names of this machine are nobody's mail domain.
    options.edns0 = true;
    options.use_hosts_file = ResolveHosts::Never;
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .map_err(|fault| fault.to_string())
}

/// The records of the kind that was asked for; aliases on the way are left out.
fn answer_of(lookup: &Lookup, question: &Question) -> Answer {
    let records = || lookup.answers().iter().map(|record| &record.data);
    match question {
        Question::Text(_) => Answer::Texts(
            records()
                .filter_map(|data| {
                    if let RData::TXT(text) = data {
                        Some(text.txt_data.iter().flat_map(|part| part.iter().copied()).collect())
                    } else {
                        None
                    }
                })
                .collect(),
        ),
        Question::V4(_) | Question::V6(_) => Answer::Addresses(records().filter_map(address_of).collect()),
        Question::Exchanges(_) => Answer::Exchanges(
            records()
                .filter_map(|data| {
                    if let RData::MX(mx) = data { Some(mx.exchange.to_ascii().trim_end_matches('.').to_ascii_lowercase()) } else { None }
                })
                .collect(),
        ),
    }
}

fn address_of(data: &RData) -> Option<IpAddr> {
    if let RData::A(a) = data {
        Some(IpAddr::V4(a.0))
    } else if let RData::AAAA(aaaa) = data {
        Some(IpAddr::V6(aaaa.0))
    } else {
        None
    }
}

/// Answers with the time until which they hold.
#[derive(Default)]
struct Cache {
    entries: HashMap<Question, (Answer, Instant)>,
    octets: usize,
}

impl Cache {
    fn get(&self, question: &Question, now: Instant) -> Option<Answer> {
        self.entries.get(question).filter(|(_, until)| now < *until).map(|(answer, _)| answer.clone())
    }

    /// When it is full, what has run out goes, and if that is not enough, all: it fills again from the same servers.
    fn put(&mut self, question: &Question, answer: Answer, until: Instant, now: Instant) {
        let size = |question: &Question, answer: &Answer| question.name().len() + answer.octets() + ENTRY_OCTETS;
        if self.octets + size(question, &answer) > CACHE_OCTETS_MAX {
            self.entries.retain(|_, (_, until)| now < *until);
            self.octets = self.entries.iter().map(|(question, (answer, _))| size(question, answer)).sum();
            if self.octets > CACHE_OCTETS_MAX / 2 {
                self.entries.clear();
                self.octets = 0;
            }
        }
        self.octets += size(question, &answer);
        if let Some((old, _)) = self.entries.insert(question.clone(), (answer, until)) {
            self.octets = self.octets.saturating_sub(size(question, &old));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_the_cache_is_bounded_and_forgets() {
        let now = Instant::now();
        let mut cache = Cache::default();
        for n in 0..20_000_u32 {
            let question = Question::Text(format!("n{n}.example"));
            cache.put(&question, Answer::Texts(vec![vec![b'x'; 1000]]), now + NOTHING_KEPT, now);
            assert!(cache.octets <= CACHE_OCTETS_MAX, "{n}");
            assert!(cache.get(&question, now).is_some(), "the newest is there");
            assert!(cache.get(&question, now + NOTHING_KEPT).is_none(), "until it runs out");
        }
        let octets = cache.octets;
        let question = Question::Text("n19999.example".to_owned());
        cache.put(&question, Answer::Texts(vec![vec![b'x'; 1000]]), now + KEPT_MAX, now);
        assert_eq!(cache.octets, octets, "one that is replaced counts once");
    }
}
