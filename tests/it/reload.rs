//! What the running daemon takes without a restart, whom it asks, and who is away: over a whole daemon between two Maildirs.

use crate::desk::{CUSTOMERS, RULES, maildirs, whole};
use crate::support::daemon::Daemon;
use crate::support::mail::{MailText, address, text};
use crate::support::wait::{LIMIT, wait_until};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::convert::Infallible;
use std::fs;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};

/// A daemon that takes its mail from one folder and puts what it sends into another.
pub struct Desk {
    pub daemon: Daemon,
}

impl Desk {
    pub async fn start(config: &str, customers: &str) -> Self {
        Self { daemon: Daemon::start(&[("guichet.toml", config), ("customers.csv", customers)]).await }
    }

    pub fn put(&self, mail: &MailText) {
        let name = format!("{:?}", mail.message_id()).replace(|c: char| !c.is_alphanumeric(), "");
        self.daemon.arrives(&name, &mail.octets());
    }

    /// A customer's new matter; the ticket once it is there.
    pub async fn write(&self, number: u64, from: &str, words: &str) -> Value {
        self.put(&MailText::new(from, "support@acme.example").subject(&format!("Matter {number}")).text(words));
        self.ticket_when(number, |_| true).await
    }

    /// An answer to what somebody got.
    pub fn answer(&self, from: &str, received: &[u8], words: &str) {
        let to = address(received, "Reply-To").or_else(|| address(received, "From")).unwrap();
        self.put(&MailText::new(from, &to).reply_to(received).text(words));
    }

    pub async fn ticket_when(&self, number: u64, holds: impl Fn(&Value) -> bool) -> Value {
        wait_until(&format!("ticket {number}"), LIMIT, async || {
            let output = self.daemon.cli(&["ticket", &number.to_string(), "--json"]).await;
            serde_json::from_slice(&output.stdout).ok().filter(|ticket| holds(ticket))
        })
        .await
    }

    /// All that was sent to somebody so far, in no order.
    pub fn sent_to(&self, to: &str) -> Vec<Vec<u8>> {
        let files = fs::read_dir(self.daemon.state_dir().join("out/new")).into_iter().flatten();
        let mails = files.map(|file| fs::read(file.unwrap().path()).unwrap());
        mails.filter(|mail| address(mail, "To").as_deref() == Some(to)).collect()
    }

    /// A mail to somebody in which this stands, once it is there.
    pub async fn mail_with(&self, to: &str, words: &str) -> Vec<u8> {
        wait_until(&format!("a mail to {to} with {words}"), LIMIT, async || {
            self.sent_to(to).into_iter().find(|mail| whole(mail).contains(words))
        })
        .await
    }

    /// What the daemon tells of itself, also while its configuration on disk cannot be read.
    async fn status(&self) -> Value {
        let mut socket = UnixStream::connect(self.daemon.state_dir().join("control.sock")).await.unwrap();
        socket.write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (from, to) = (answer.find('{').expect("an object"), answer.rfind('}').expect("its end"));
        serde_json::from_str(&answer[from..=to]).unwrap()
    }

    async fn status_when(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        wait_until(what, LIMIT, async || Some(self.status().await).filter(|status| holds(status))).await
    }

    /// Puts a file into the place of another at once, as the documents say.
    fn replace(&self, name: &str, text: &str) {
        self.daemon.write(&format!("{name}.new"), text);
        let dir = self.daemon.config_dir();
        fs::rename(dir.join(format!("{name}.new")), dir.join(name)).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.daemon.log()).unwrap()
    }

    pub async fn logged(&self, words: &str, times: usize) {
        wait_until(words, LIMIT, async || (self.log().matches(words).count() >= times).then_some(())).await;
    }
}

fn why_of_tier(ticket: &Value) -> String {
    let lines = ticket["history"].as_array().unwrap();
    lines.iter().find(|line| line["what"].as_str().unwrap().starts_with("tier ")).unwrap()["why"].as_str().unwrap().to_owned()
}

fn warnings(status: &Value) -> Vec<&str> {
    status["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn p12_a_changed_file_of_customers_counts_for_the_next_mail_and_a_broken_one_does_not() {
    let head = "address,tier,language,zone\n";
    let desk = Desk::start(&maildirs(""), &format!("{head}mary@shop.example,basic,en,\n")).await;
    let pid = desk.daemon.pid();
    assert_eq!(desk.write(1, "mary@shop.example", "One.").await["tier"], "basic");
    assert!(text(&desk.mail_with("mary@shop.example", "[#1]").await).contains("(UTC)"), "the calendar's zone");

    desk.replace("customers.csv", &format!("{head}mary@shop.example,advanced,en,Pacific/Kiritimati\n"));
    desk.logged("the file of customers has changed and was read anew", 1).await;
    assert_eq!(desk.write(2, "mary@shop.example", "Two.").await["tier"], "advanced");
    let ack = text(&desk.mail_with("mary@shop.example", "[#2]").await);
    assert!(ack.contains("(Kiritimati time, UTC+14:00)"), "P10: by her wall: {ack}");

    desk.replace("customers.csv", &format!("{head}mary@shop.example,basic,en,Pacific/Kiritmati\n"));
    let status = desk.status_when("the fault in status", |status| !warnings(status).is_empty()).await;
    let told = warnings(&status)[0];
    assert!(told.contains("its old rows are in force") && told.contains("customers.csv:2: zone: unknown time zone"), "{told}");
    assert!(desk.log().contains("unknown time zone 'Pacific/Kiritmati'"), "and in the log");
    // The command line reads the file, too: what became of the mail is asked for when it is mended.
    desk.put(&MailText::new("mary@shop.example", "support@acme.example").subject("Matter 3").text("Three."));
    let ack = text(&desk.mail_with("mary@shop.example", "[#3]").await);
    assert!(ack.contains("(Kiritimati time, UTC+14:00)"), "the old rows stand: {ack}");

    desk.replace("customers.csv", &format!("{head}mary@shop.example,standard,en,\n"));
    desk.status_when("the fault to be gone", |status| warnings(status).is_empty()).await;
    assert_eq!(desk.ticket_when(3, |_| true).await["tier"], "advanced", "the old rows stood");
    assert_eq!(desk.write(4, "mary@shop.example", "Four.").await["tier"], "standard");
    assert_eq!(desk.daemon.pid(), pid, "all of it without a restart");
}

#[tokio::test]
async fn p12_a_wrong_configuration_on_sighup_keeps_everything_and_a_right_one_changes_all() {
    let old = maildirs("");
    let desk = Desk::start(&old, CUSTOMERS).await;
    // Two changes, and a third that is wrong: none of them may hold.
    let changed = old
        .replace("first_response = \"4h\"", "first_response = \"2h\"")
        .replace("team = \"billing\", priority = \"high\"", "team = \"billing\", priority = \"critical\"");
    assert_ne!(changed, old);
    desk.daemon.write("guichet.toml", &changed.replace("name = \"invoices\"", "name = \"invoices\"\nthan = {}"));
    desk.replace("customers.csv", "address,tier\nother@elsewhere.example,advanced\n");
    desk.daemon.signal("HUP");
    let status = desk.status_when("the refusal in status", |status| !warnings(status).is_empty()).await;
    assert!(warnings(&status)[0].contains("guichet.toml:") && warnings(&status)[0].contains("than"), "{status}");
    desk.logged("the configuration was not taken; the old one stays in force", 1).await;
    desk.daemon.write("guichet.toml", &old);
    let ticket = desk.write(1, "mary@shop.example", "The invoice is wrong.").await;
    assert_eq!((ticket["team"].as_str(), ticket["priority"].as_str()), (Some("billing"), Some("high")), "the old rule");
    let within = |ticket: &Value| {
        let due = |of: &Value| of.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let clock = ticket["clocks"].as_array().unwrap().iter().find(|clock| clock["kind"] == "first_response").unwrap().clone();
        due(&clock["due"]).duration_since(due(&ticket["opened"])).as_hours()
    };
    assert_eq!(within(&ticket), 4, "the old target");

    desk.daemon.write("guichet.toml", &changed);
    desk.daemon.signal("HUP");
    desk.logged("configuration read anew", 1).await;
    assert!(warnings(&desk.status().await).is_empty());
    let ticket = desk.write(2, "other@elsewhere.example", "The invoice is wrong.").await;
    assert_eq!((ticket["tier"].as_str(), ticket["priority"].as_str()), (Some("advanced"), Some("critical")), "customers and rules");
    let ticket = desk.write(3, "new@elsewhere.example", "The invoice is wrong.").await;
    assert_eq!(within(&ticket), 2, "targets");
}

/// A CRM, which answers as a test wants it: a status and a body, or nothing at all.
struct Crm {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<Option<(u16, String)>>>,
}

impl Crm {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(None)));
        let (log, answers) = (Arc::clone(&asked), Arc::clone(&answer));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (log, answers) = (Arc::clone(&log), Arc::clone(&answers));
                let service = service_fn(move |request: Request<Incoming>| {
                    log.lock().unwrap().push(request.uri().query().unwrap_or_default().to_owned());
                    let answer: Option<(u16, String)> = answers.lock().unwrap().clone();
                    async move {
                        let Some((status, body)) = answer else { return std::future::pending().await };
                        Ok::<_, Infallible>(Response::builder().status(status).body(Full::new(Bytes::from(body))).unwrap())
                    }
                });
                tokio::spawn(async move { http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await });
            }
        });
        Self { port, asked, answer }
    }

    fn says(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = Some((status, body.to_owned()));
    }

    fn hangs(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn p3_a_crm_that_answers_is_believed_and_one_that_does_not_is_never_in_the_way() {
    let crm = Crm::start().await;
    let look_up =
        format!("[customers]\nlookup_url = \"http://127.0.0.1:{}/c?address={{address}}\"\nlookup_timeout = \"300ms\"\n", crm.port);
    let desk = Desk::start(&maildirs(&look_up), CUSTOMERS).await;

    crm.says(200, r#"{"name":"Mary","tier":"advanced","language":"pt","zone":"Asia/Kolkata","more":[1]}"#);
    let ticket = desk.write(1, "mary@shop.example", "One.").await;
    assert_eq!((ticket["tier"].as_str(), ticket["language"].as_str()), (Some("advanced"), Some("pt")), "before the file's row");
    assert_eq!(why_of_tier(&ticket), "mary@shop.example in the look-up is given tier advanced", "P9");
    let ack = text(&desk.mail_with("mary@shop.example", "[#1]").await);
    assert!(ack.contains("(horário de Calcutá, UTC+05:30)"), "P10: {ack}");
    assert_eq!(crm.asked(), ["address=mary%40shop.example"]);

    crm.hangs();
    let ticket = desk.write(2, "mary@shop.example", "Two.").await;
    assert_eq!((ticket["tier"].as_str(), crm.asked().len()), (Some("advanced"), 1), "kept: nobody is asked again");
    #[rustfmt::skip]
    let table = [
        (3, None, "gave no answer within 300 ms", "it hangs"),
        (4, Some((500, "{}")), "gave status 500", "it is out of order"),
        (5, Some((200, "<html>")), "gave no JSON object of texts", "a page"),
        (6, Some((200, r#"{"tier":"platinum"}"#)), "names tier 'platinum', which is none of the configuration", "a tier that is none"),
        (7, Some((200, r#"{"tier":"basic","zone":"Atlantis"}"#)), "gave a zone that is none, such as Europe/Lisbon", "a zone that is none"),
    ];
    for (number, answer, reason, why) in table {
        match answer {
            Some((status, body)) => crm.says(status, body),
            None => crm.hangs(),
        }
        let ticket = desk.write(number, &format!("kati{number}@tehas.example"), "Tere.").await;
        assert_eq!(
            (ticket["tier"].as_str(), ticket["language"].as_str()),
            (Some("standard"), Some("et")),
            "{why}: the file's answer stands"
        );
        assert_eq!(why_of_tier(&ticket), format!("the look-up {reason}; plan 'team' of @tehas.example gives tier standard"), "P9: {why}");
    }
    assert_eq!(crm.asked().len(), 6, "each of them once");
    crm.says(200, r#"{"tier":"advanced"}"#);
    let ticket = desk.write(8, "kati3@tehas.example", "Tere.").await;
    assert_eq!(ticket["tier"], "advanced", "a failure is not kept");
}

#[tokio::test]
async fn a_rule_hears_the_desk_s_own_words_of_churn_in_each_language() {
    let rules = r#"
[[rule]]
name = "leaving"
when = { cue = "churn" }
then = { priority = "critical", tags = ["churn"] }
"#;
    let config = maildirs(rules).replacen("[desk]\n", "[desk]\ncues = \"words\"\n", 1);
    let daemon = Daemon::new(&[("guichet.toml", &config), ("customers.csv", CUSTOMERS)]);
    fs::create_dir(daemon.config_dir().join("words")).unwrap();
    daemon.write("words/pt.txt", "[churn]\nvou embora\n");
    daemon.write("words/et.txt", "[churn]\nlähen ära\nlahku*\n");
    let mut desk = Desk { daemon };
    desk.daemon.run().await;
    #[rustfmt::skip]
    let table = [
        (1, "joao@padaria.example", "Bom dia, se isto não for resolvido hoje, VOU EMBORA e procuro outra empresa.", Some("vou embora"), "Portuguese"),
        (2, "mari@tehas.example", "Tere päevast, kui see täna korda ei saa, siis me lahkume teie juurest.", Some("lahku*"), "Estonian: a word that goes on"),
        (3, "mari@tehas.example", "Tere, me lahen ara, kui asi korda ei saa.", Some("lähen ära"), "without its accents"),
        (4, "joao@padaria.example", "Bom dia, o forno não liga, podem ajudar?", None, "who only asks"),
    ];
    for (number, from, words, cue, why) in table {
        let ticket = desk.write(number, from, words).await;
        let is_churn = ticket["tags"].as_array().unwrap().iter().any(|tag| tag == "churn");
        assert_eq!((ticket["priority"] == "critical", is_churn), (cue.is_some(), cue.is_some()), "{why}: {ticket}");
        if let Some(cue) = cue {
            let lines = ticket["history"].as_array().unwrap();
            let told = lines.iter().any(|line| line["by"] == "rule:leaving" && line["why"].as_str().unwrap().contains(cue));
            assert!(told, "P9: {why}: {lines:?}");
        }
    }
}

#[tokio::test]
async fn p5_who_says_that_he_is_away_is_away_over_a_kill_until_he_is_back() {
    const ANA: &str = "ana@acme.example";
    const BEN: &str = "ben@acme.example";
    let team = "name = \"frontline\"\n";
    let agent = "name = \"Ana Souza\"\n";
    let rules = RULES.replacen(team, &format!("{team}assign = \"round-robin\"\n"), 1);
    let rules = rules.replacen(agent, &format!("{agent}time_zone = \"America/Sao_Paulo\"\n"), 1);
    let mut desk = Desk::start(&maildirs("").replace(RULES, &rules), CUSTOMERS).await;
    assert_eq!(desk.write(1, "mary@shop.example", "One.").await["assignee"], "ana");
    let told = desk.mail_with(ANA, "#1").await;
    assert!(whole(&told).contains("(São Paulo time, UTC-03:00)"), "she reads times by her wall: {}", whole(&told));
    let ack = desk.mail_with("mary@shop.example", "[#1]").await;

    desk.answer(ANA, &told, "#away until fri 9:00\n");
    let confirmed = desk.mail_with(ANA, "You are away").await;
    assert!(text(&confirmed).contains(", 09:00 (São Paulo time, UTC-03:00)"), "{}", text(&confirmed));
    assert_eq!(desk.sent_to("mary@shop.example").len(), 1, "P7: the command goes to nobody");
    let status = desk.status().await;
    assert_eq!((status["away"][0]["agent"].as_str(), status["away"].as_array().unwrap().len()), (Some("ana"), 1), "{status}");

    desk.daemon.kill9();
    desk.daemon.run().await;
    let shown = desk.daemon.cli(&["status"]).await;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("away                 ana, since "), "as long as she said");
    desk.answer("mary@shop.example", &ack, "And now?\n");
    let ben = whole(&desk.mail_with(BEN, "And now?").await);
    assert!(ben.contains("Ana Souza is away until "), "Ben reads why: {ben}");
    desk.mail_with(ANA, "And now?").await;
    for number in [2, 3] {
        assert_eq!(desk.write(number, "mary@shop.example", "Another.").await["assignee"], "ben", "nothing new is hers");
    }
    assert_eq!(desk.ticket_when(1, |_| true).await["assignee"], "ana", "what she had is");

    desk.answer(ANA, &confirmed, "#back\n");
    desk.mail_with(ANA, "You are back").await;
    assert_eq!(desk.status().await["away"], serde_json::json!([]));
    assert_eq!(desk.write(4, "joao@padaria.example", "Mine again.").await["assignee"], "ana");
    let report = desk.daemon.json(&["verify"]).await;
    assert_eq!(report["ok"], true, "{report}");
}
