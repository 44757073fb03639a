//! Signing in: each mechanism, each way to a token, what follows a refusal, and that nothing secret leaves where it should not.

use crate::desk::{CUSTOMERS, RULES};
use crate::support::authority::{acceptor, authority};
use crate::support::daemon::Daemon;
use crate::support::dovecot::Dovecot;
use crate::support::mail::MailText;
use crate::support::scratch::free_port;
use crate::support::token_endpoint::TokenEndpoint;
use crate::support::wait::{LIMIT, wait_until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use guichet::channel::imap::{Slots, probe};
use guichet::channel::probe::Finding;
use guichet::config::settings::{After, ImapAccount, SignIn, Tls, TokenSource};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Words that must be in no log and no terminal.
const CLIENT_SECRET: &str = "clientsecretword";
const REFRESH: &str = "refreshword";

fn letter(n: usize) -> Vec<u8> {
    MailText::new(&format!("c{n}@c.example"), "support@acme.example").subject(&format!("Mail {n}")).octets()
}

/// A desk with these mailboxes whose mail goes into a Maildir.
fn desk(mailboxes: &str) -> String {
    format!(
        "[desk]\nname = \"Acme Support\"\nstate_dir = \"@STATE@\"\nlanguages = [\"en\", \"pt\", \"et\"]\ncustomers = \"customers.csv\"\n\
         {mailboxes}\n[smtp]\nmaildir = \"@STATE@/out\"\n{RULES}\n"
    )
}

fn mailbox(imap: &str) -> String {
    format!(
        "[[mailbox]]\nname = \"support\"\naddress = \"support@acme.example\"\nteam = \"frontline\"\npoll_every = \"1s\"\nimap = {{ {imap} }}\n"
    )
}

/// The endpoint's table.
fn oauth(endpoint: &TokenEndpoint, more: &str) -> String {
    let (port, ca) = (endpoint.port, endpoint.ca_pem().display());
    format!(r#"oauth = {{ token_url = "https://localhost:{port}/token", ca_file = "{ca}", client_id = "desk", {more} }}"#)
}

fn daemon_with(text: &str) -> Daemon {
    let daemon = Daemon::new(&[("guichet.toml", text), ("customers.csv", CUSTOMERS)]);
    for (name, secret) in [("client.secret", CLIENT_SECRET), ("refresh", REFRESH)] {
        std::fs::write(daemon.config_dir().join(name), format!("{secret}\n")).unwrap();
    }
    daemon
}

fn log(daemon: &Daemon) -> String {
    std::fs::read_to_string(daemon.log()).unwrap_or_default()
}

async fn tickets_are(daemon: &Daemon, count: usize, what: &str) {
    wait_until(what, LIMIT, async || (daemon.json_lines(&["tickets", "--status", "any"]).await.len() == count).then_some(())).await;
}

fn granted(token: &str, more: &str) -> (u16, String) {
    (200, format!(r#"{{"access_token":"{token}","token_type":"Bearer"{more}}}"#))
}

#[tokio::test]
async fn every_way_to_a_token_by_either_mechanism() {
    let both = Dovecot::start(&[("support", "secret")]).await;
    let old = Dovecot::start_with(&[("support", "secret")], "auth_mechanisms = plain xoauth2\n").await;
    let new = Dovecot::start_with(&[("support", "secret")], "auth_mechanisms = plain oauthbearer\n").await;
    let ca = both.ca_pem().display().to_string();
    let refresh = r#"client_secret_file = "client.secret", refresh_token_file = "refresh", scope = "mail offline""#;
    let basic = r#"client_secret_file = "client.secret", grant = "client_credentials", client_auth = "basic""#;
    let public = r#"refresh_token_file = "refresh""#;
    for (dovecot, way, method, why) in [
        (&both, r#"token_file = "token""#, "OAUTHBEARER", "a file; the standard where both are offered"),
        (&old, r#"token_file = "token""#, "XOAUTH2", "a file; the older one where it is alone"),
        (&new, r#"token_command = ["/bin/sh", "token.sh", "support"]"#, "OAUTHBEARER", "a program"),
        (&both, refresh, "OAUTHBEARER", "a refresh token, id and secret in the body"),
        (&old, basic, "XOAUTH2", "client credentials, in a header"),
        (&both, public, "OAUTHBEARER", "a client without a secret"),
    ] {
        let make = dovecot.token_maker();
        let endpoint = TokenEndpoint::start(move |_| granted(&make("support", 3600), r#","expires_in":3600"#)).await;
        let way_in = if way.starts_with("token_") { way.to_owned() } else { oauth(&endpoint, way) };
        let port = dovecot.imaps_port;
        let daemon = daemon_with("");
        let script = daemon.config_dir().join("token.sh").display().to_string();
        let way_in = way_in.replace("token.sh", &script);
        daemon.write(
            "guichet.toml",
            &desk(&mailbox(&format!(r#"host = "localhost", port = {port}, ca_file = "{ca}", user = "support", {way_in}"#))),
        );
        let token = daemon.config_dir().join("token");
        std::fs::write(&token, dovecot.token("support", 3600)).unwrap();
        std::fs::write(&script, format!("test \"$1\" = support && echo warning >&2 && cat {}\n", token.display())).unwrap();
        let mut daemon = daemon;
        daemon.run().await;
        dovecot.deliver_lmtp("support", &letter(0)).await;
        tickets_are(&daemon, 1, why).await;
        let used = std::fs::read_to_string(dovecot.log()).unwrap();
        assert!(used.contains(&format!("method={method}")), "{why}: {used}");
        if way == refresh {
            let asked = endpoint.asked();
            let form: Vec<(&str, &str)> = asked[0].form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let expected = [
                ("client_id", "desk"),
                ("client_secret", CLIENT_SECRET),
                ("grant_type", "refresh_token"),
                ("refresh_token", REFRESH),
                ("scope", "mail offline"),
            ];
            assert_eq!((form.as_slice(), &asked[0].authorization), (&expected[..], &None), "{why}");
        } else if way == basic {
            let pair = STANDARD.encode(format!("desk:{CLIENT_SECRET}"));
            assert_eq!(endpoint.asked()[0].authorization, Some(format!("Basic {pair}")), "{why}");
            assert_eq!(
                endpoint.asked()[0].form.clone().into_iter().collect::<Vec<_>>(),
                [("grant_type".into(), "client_credentials".into())],
                "{why}"
            );
        } else if way == public {
            assert!(!endpoint.asked()[0].form.contains_key("client_secret"), "{why}");
        }
        // A cached token serves the next connection, too.
        let asked = endpoint.asked().len();
        dovecot.kick("support").await;
        dovecot.deliver_lmtp("support", &letter(1)).await;
        tickets_are(&daemon, 2, why).await;
        assert_eq!(endpoint.asked().len(), asked, "{why}: not asked again");
        assert_eq!(daemon.terminate().await.code(), Some(0), "{why}");
        let log = log(&daemon);
        for secret in [CLIENT_SECRET, REFRESH, "eyJ"] {
            assert!(!log.contains(secret), "{why}: {secret} in the log");
        }
    }
}

/// An endpoint that takes each refresh token once, as those do that detect stolen ones.
#[tokio::test]
async fn p1_a_refresh_token_that_is_replaced_is_never_lost() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let make = dovecot.token_maker();
    let mut good = REFRESH.to_owned();
    let mut turn = 0;
    let endpoint = TokenEndpoint::start(move |asked| {
        if asked.form["refresh_token"] != good {
            return (400, r#"{"error":"invalid_grant"}"#.to_owned());
        }
        turn += 1;
        good = format!("{REFRESH}{turn}");
        // Of no use a second time: each sign-in asks.
        granted(&make("support", 3600), &format!(r#","expires_in":0,"refresh_token":"{good}""#))
    })
    .await;
    let port = dovecot.imap_port;
    let way = oauth(&endpoint, r#"refresh_token_file = "refresh""#);
    let folder = |name: &str, folder: &str| {
        mailbox(&format!(r#"host = "127.0.0.1", port = {port}, tls = "none", user = "support", {way}"#))
            .replace("support\"\naddress = \"support", &format!("{name}\"\naddress = \"{name}"))
            + &format!("folder = \"{folder}\"\nafter = \"keep\"\n")
    };
    // Two folders of one account share the token.
    let mut daemon = daemon_with(&desk(&(folder("support", "INBOX") + &folder("done", "Processed"))));
    daemon.run().await;
    for n in 0..4 {
        dovecot.deliver_lmtp("support", &letter(n)).await;
        tickets_are(&daemon, n + 1, "a mail after each sign-in").await;
        assert!(daemon.cli(&["doctor"]).await.status.success(), "the doctor asks beside the daemon");
        dovecot.kick("support").await;
    }
    // Between the endpoint's exchange and its answer nobody has the new token: killed then, no client could keep it.
    wait_until("both folders to be open", LIMIT, async || daemon.cli(&["status"]).await.status.success().then_some(())).await;
    daemon.kill9();
    daemon.run().await;
    dovecot.deliver_lmtp("support", &letter(4)).await;
    tickets_are(&daemon, 5, "after a crash").await;
    assert_eq!(daemon.terminate().await.code(), Some(0));
    let log = log(&daemon);
    assert!(!log.contains("invalid_grant") && !log.contains(REFRESH), "{log}");
    let file = daemon.config_dir().join("refresh");
    let last = endpoint.asked().len();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{REFRESH}{last}\n"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_token_that_ends_early_is_replaced_at_once_and_a_bad_one_is_not_shown_twice() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let make = dovecot.token_maker();
    // It says an hour, but the first one ends in a second or two.
    let mut lifetimes = [2, 3600].into_iter();
    let endpoint = TokenEndpoint::start(move |_| granted(&make("support", lifetimes.next().unwrap_or(-60)), r#","expires_in":3600"#)).await;
    let port = dovecot.imap_port;
    let way = oauth(&endpoint, r#"client_secret_file = "client.secret", grant = "client_credentials""#);
    let account = format!(r#"host = "127.0.0.1", port = {port}, tls = "none", user = "support", {way}"#);
    let mut daemon = daemon_with(&desk(&mailbox(&account)));
    let end = jiff::Timestamp::now().as_second() + 4;
    daemon.run().await;
    dovecot.deliver_lmtp("support", &letter(0)).await;
    tickets_are(&daemon, 1, "with the first").await;
    wait_until("the first token to end", LIMIT, async || (jiff::Timestamp::now().as_second() > end).then_some(())).await;
    dovecot.kick("support").await;
    dovecot.deliver_lmtp("support", &letter(1)).await;
    tickets_are(&daemon, 2, "with the second").await;
    assert_eq!(endpoint.asked().len(), 2);
    assert!(!log(&daemon).contains("sign-in refused"), "nobody has to be told");
    assert_eq!(daemon.terminate().await.code(), Some(0));

    // From here on all are bad: one is shown, once, and it is a fault of the sign-in.
    let shown = || std::fs::read_to_string(dovecot.log()).unwrap().matches("auth failed").count();
    let before = shown();
    daemon.run().await;
    wait_until("the refusal", LIMIT, async || log(&daemon).contains("sign-in refused").then_some(())).await;
    assert_eq!(daemon.terminate().await.code(), Some(0));
    assert_eq!(endpoint.asked().len(), 3);
    wait_until("Dovecot to tell of it", LIMIT, async || (shown() > before).then_some(())).await;
    assert_eq!(shown(), before + 1);
    assert!(log(&daemon).contains("(invalid_token)"), "with the server's reason");
}

async fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_told_to_ops() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let make = dovecot.token_maker();
    let endpoint = TokenEndpoint::start(move |_| granted(&make("support", 3600), r#","expires_in":3600"#)).await;
    let (imap, chat, nobody) = (dovecot.imap_port, free_port(), free_port());
    let way = oauth(&endpoint, r#"refresh_token_file = "refresh""#);
    let text = desk(&mailbox(&format!(r#"host = "127.0.0.1", port = {imap}, tls = "none", user = "support", {way}"#)))
        + &format!("[chat]\nlisten = \"127.0.0.1:{chat}\"\nteam = \"frontline\"\n");
    let answered = |status: u16, body: &'static str| endpoint.answer(move |_| (status, body.to_owned()));
    let wrong_port = (format!("localhost:{}", endpoint.port), format!("localhost:{nobody}"));
    let stranger =
        (format!("\"{}\", client_id", endpoint.ca_pem().display()), format!("\"{}\", client_id", endpoint.stranger_pem().display()));
    let nothing = (String::new(), String::new());
    #[rustfmt::skip]
    let cases = [
        (None, &nothing, "ok      mailbox support: token from https://localhost:", ", good for 3", "", "as it should be"),
        (Some((400, r#"{"error":"invalid_grant","error_description":"hush"}"#)), &nothing, "FAILED  mailbox support: token from", "refuses: invalid_grant; the refresh token has ended", "mailbox support: sign-in is refused", "a consent that has ended"),
        (Some((401, r#"{"error":"invalid_client"}"#)), &nothing, "FAILED  mailbox support: token from", "check client_id and client_secret_file", "mailbox support: sign-in is refused", "another client"),
        (Some((404, "<html>hush</html>")), &nothing, "FAILED  mailbox support: token from", "status 404; check token_url", "mailbox support: sign-in is refused", "another page"),
        (Some((503, "hush")), &nothing, "FAILED  mailbox support: token from", "out of order: status 503", "mailbox support: the server cannot be reached", "out of order"),
        (Some((200, "hush")), &nothing, "FAILED  mailbox support: token from", "answers what is no token", "mailbox support: the server answers what it should not", "something else"),
        (Some((200, r#"{"access_token":"hush.hush.hush"}"#)), &nothing, "FAILED  mailbox support: sign-in as support", "does not take the token", "mailbox support: sign-in is refused", "a token that the mail server does not take"),
        (None, &wrong_port, "FAILED  mailbox support: token from", "cannot be reached", "mailbox support: the server cannot be reached", "nobody there"),
        (None, &stranger, "FAILED  mailbox support: token from", "TLS", "mailbox support: the server cannot be reached", "not by an authority that is trusted"),
    ];
    for (answer, change, line, detail, ready, why) in cases {
        let make = dovecot.token_maker();
        endpoint.answer(move |_| granted(&make("support", 3600), r#","expires_in":3600"#));
        if let Some((status, body)) = answer {
            answered(status, body);
        }
        let text = if change.0.is_empty() { text.clone() } else { text.replace(&change.0, &change.1) };
        let mut daemon = daemon_with(&text);
        let output = daemon.cli(&["doctor"]).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let found = said.lines().find(|said| said.starts_with(line)).unwrap_or_else(|| panic!("{why}:\n{said}"));
        assert!(found.contains(detail), "{why}: {found}");
        assert_eq!(output.status.code(), Some(i32::from(!ready.is_empty())), "{why}");
        assert!(said.contains("ok      mailbox support: connection to"), "{why}: told apart from the mail server's own\n{said}");
        daemon.run().await;
        let told = wait_until(why, LIMIT, async || {
            let told = get(chat, "/readyz").await;
            if ready.is_empty() { told.starts_with("HTTP/1.1 200").then_some(told) } else { told.contains(ready).then_some(told) }
        })
        .await;
        if ready.contains("sign-in") {
            let metrics = get(chat, "/metrics").await;
            assert!(metrics.contains(r#"guichet_sign_in_faults_total{mailbox="support"} 1"#), "{why}: {metrics}");
        }
        assert_eq!(daemon.terminate().await.code(), Some(0), "{why}");
        for secret in ["hush", REFRESH, "eyJ"] {
            assert!(![&said, &told, &log(&daemon)].iter().any(|text| text.contains(secret)), "{why}: {secret}");
        }
    }
}

#[tokio::test]
async fn somebody_else_s_password_opens_a_shared_mailbox() {
    let masters = "passdb {\n  driver = static\n  master = yes\n  mechanisms = plain\n  args = password=bosspassword\n}\n";
    let dovecot = Dovecot::start_with(&[("support", "secret"), ("boss", "bosspassword")], masters).await;
    let account = |sign_in_as: Option<&str>, password: &str| ImapAccount {
        sign_in: SignIn::Password { password: password.into(), sign_in_as: sign_in_as.map(str::to_owned) },
        ..account(dovecot.imap_port)
    };
    assert_eq!(faults(&examine(&account(Some("boss"), "bosspassword")).await), Vec::<String>::new());
    let log = std::fs::read_to_string(dovecot.log()).unwrap();
    assert!(log.contains("Login: user=<support>"), "the mailbox: {log}");
    assert!(!faults(&examine(&account(None, "bosspassword")).await).is_empty(), "only with the name that it belongs to");

    // A server with LOGIN alone cannot be told two names, and hears none.
    let peer = Peer::start("IMAP4rev1", |_| vec![]).await;
    let findings = examine(&ImapAccount { port: peer.port, ..account(Some("boss"), "bosspassword") }).await;
    assert!(faults(&findings)[0].contains("LOGIN cannot sign in as another"), "{findings:?}");
    assert!(!peer.heard().contains("bosspassword") && !peer.heard().contains("LOGIN "), "{}", peer.heard());
}

// A peer with a script.

/// Greets, says what it can, and answers AUTHENTICATE line by line as the script of that mechanism has it; `TAG` stands for the
/// command's tag. After the script's last line the next command is read.
struct Peer {
    port: u16,
    heard: Arc<Mutex<String>>,
}

impl Peer {
    async fn start(capabilities: &'static str, script: impl Fn(&str) -> Vec<&'static str> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, heard) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(String::new())));
        let (log, script) = (Arc::clone(&heard), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                tokio::spawn(async move { serve(BufReader::new(tcp), capabilities, &*script, &log).await });
            }
        });
        Self { port, heard }
    }

    /// Every line that came, decoded where it is base64.
    fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }
}

async fn line(stream: &mut (impl AsyncBufRead + Unpin), log: &Mutex<String>) -> Option<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let line = line.trim_end().to_owned();
    let decoded = STANDARD.decode(&line).ok().and_then(|octets| String::from_utf8(octets).ok()).filter(|text| !text.is_empty());
    let mut log = log.lock().unwrap();
    log.push_str(&decoded.unwrap_or_else(|| line.clone()));
    log.push('\n');
    Some(line)
}

async fn serve(
    mut stream: impl AsyncBufRead + AsyncWrite + Unpin,
    capabilities: &str,
    script: &(dyn Fn(&str) -> Vec<&'static str> + Sync),
    log: &Mutex<String>,
) -> Option<()> {
    stream.write_all(b"* OK hello\r\n").await.ok()?;
    loop {
        let command = line(&mut stream, log).await?;
        let (tag, command) = command.split_once(' ')?;
        match command.split_once(' ').unwrap_or((command, "")) {
            ("CAPABILITY", _) => {
                stream.write_all(format!("* CAPABILITY {capabilities}\r\n{tag} OK\r\n").as_bytes()).await.ok()?;
            }
            ("AUTHENTICATE", mechanism) => {
                for (n, answer) in script(mechanism).into_iter().enumerate() {
                    if n > 0 {
                        line(&mut stream, log).await?;
                    }
                    stream.write_all(format!("{}\r\n", answer.replace("TAG", tag)).as_bytes()).await.ok()?;
                }
            }
            ("LOGIN", _) => stream.write_all(format!("{tag} OK\r\n").as_bytes()).await.ok()?,
            _ => stream.write_all(format!("{tag} BAD what?\r\n").as_bytes()).await.ok()?,
        }
        stream.flush().await.ok()?;
    }
}

fn account(port: u16) -> ImapAccount {
    ImapAccount {
        host: "127.0.0.1".into(),
        port,
        tls: Tls::None,
        ca_file: None,
        user: "support".into(),
        sign_in: SignIn::Password { password: "secret".into(), sign_in_as: None },
        folder: "INBOX".into(),
        after: After::Keep,
        poll_every: Duration::from_secs(1),
    }
}

async fn examine(account: &ImapAccount) -> Vec<Finding> {
    probe(account, &Slots::new(10, 10)).await
}

fn faults(findings: &[Finding]) -> Vec<String> {
    findings.iter().filter_map(|found| found.fault.as_ref().map(|fault| format!("{}: {}", found.what, fault.said))).collect()
}

/// What the peer can, how we sign in, its script, the refusal, the beginnings of the lines that it hears, the reason.
type Case<'a> = (&'static str, &'a SignIn, fn(&str) -> Vec<&'static str>, Option<&'a str>, Vec<&'a str>, &'a str);

#[tokio::test]
async fn a_mechanism_that_is_refused_is_replaced_and_a_token_that_is_refused_is_not_shown_again() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("token");
    std::fs::write(&file, "tokenword\n").unwrap();
    let token = SignIn::Token(TokenSource::File(file));
    let password = SignIn::Password { password: "passwordword".into(), sign_in_as: None };
    let both = "IMAP4rev1 AUTH=XOAUTH2 AUTH=OAUTHBEARER";
    #[rustfmt::skip]
    // In base64: {"status":"invalid_token"}.
    let cases: [Case<'_>; 9] = [
        (both, &token, |_| vec!["+ ", "TAG OK"], None, vec!["AUTHENTICATE OAUTHBEARER", "n,a=support,"], "the standard is preferred"),
        (both, &token, |mechanism| if mechanism == "XOAUTH2" { vec!["+ ", "TAG OK"] } else { vec!["TAG BAD unknown"] }, None, vec!["AUTHENTICATE OAUTHBEARER", "AUTHENTICATE XOAUTH2", "user=support"], "BAD to what it advertises: nothing was shown, the other is"),
        (both, &token, |mechanism| if mechanism == "XOAUTH2" { vec!["+ ", "TAG OK"] } else { vec!["TAG NO Unsupported authentication mechanism"] }, None, vec!["AUTHENTICATE OAUTHBEARER", "AUTHENTICATE XOAUTH2", "user=support"], "NO to it"),
        (both, &token, |mechanism| if mechanism == "XOAUTH2" { vec!["+ ", "TAG OK"] } else { vec!["+ ", "TAG BAD what?"] }, None, vec!["AUTHENTICATE OAUTHBEARER", "n,a=support,", "AUTHENTICATE XOAUTH2", "user=support"], "BAD to the response: it was not understood"),
        (both, &token, |_| vec!["+ ", "+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=", "TAG NO [AUTHENTICATIONFAILED] no"], Some("no (invalid_token)"), vec!["AUTHENTICATE OAUTHBEARER", "n,a=support,", "\x01"], "refused with a reason, which is answered (RFC 7628 section 3.2.3)"),
        ("IMAP4rev1 AUTH=XOAUTH2", &token, |_| vec!["+ ", "+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=", "TAG NO no"], Some("no (invalid_token)"), vec!["AUTHENTICATE XOAUTH2", "user=support", ""], "the same by the other, whose answer is empty"),
        (both, &token, |_| vec!["+ ", "TAG NO AUTHENTICATE failed."], Some("AUTHENTICATE failed."), vec!["AUTHENTICATE OAUTHBEARER", "n,a=support,"], "refused without a reason"),
        ("IMAP4rev1 AUTH=PLAIN", &token, |_| vec![], Some("neither OAUTHBEARER nor XOAUTH2"), vec![], "no way to show it"),
        ("IMAP4rev1 AUTH=PLAIN", &password, |_| vec!["TAG BAD unknown"], None, vec!["AUTHENTICATE PLAIN", "LOGIN \"support\" \"passwordword\""], "PLAIN is advertised and not done: LOGIN"),
    ];
    for (capabilities, sign_in, script, refusal, said, why) in cases {
        let peer = Peer::start(capabilities, script).await;
        let findings = examine(&ImapAccount { sign_in: sign_in.clone(), ..account(peer.port) }).await;
        let signed_in = findings.iter().any(|found| found.what == "sign-in as support" && found.fault.is_none());
        let faults = faults(&findings);
        match refusal {
            None => assert!(signed_in, "{why}: {findings:?}"),
            Some(text) => assert!(!signed_in && faults.iter().any(|fault| fault.contains(text)), "{why}: {findings:?}"),
        }
        assert!(!format!("{findings:?}").contains("word\""), "{why}: no secret is told");
        let heard = peer.heard();
        let bare = |line: &str| line.split_once(' ').filter(|(tag, _)| tag.starts_with('g')).map_or(line, |(_, rest)| rest).to_owned();
        let lines: Vec<String> =
            heard.lines().map(bare).filter(|line| line != "CAPABILITY" && !line.starts_with("SELECT") && line != "LOGOUT").collect();
        assert_eq!(lines.len(), said.len(), "{why}: {lines:?}");
        for (line, beginning) in lines.iter().zip(&said) {
            assert!(line.starts_with(beginning), "{why}: {line:?}");
        }
    }
}

/// Whatever a server says before TLS, it hears no credential before it.
#[tokio::test]
async fn required_protection_is_required() {
    let authority = authority();
    #[rustfmt::skip]
    let cases = [
        ("* OK hi\r\n", "IMAP4rev1 AUTH=PLAIN", "", false, "not offered"),
        ("* OK hi\r\n", "IMAP4rev1 STARTTLS AUTH=PLAIN", "TAG NO not now\r\n", false, "refused with NO"),
        ("* OK hi\r\n", "IMAP4rev1 STARTTLS AUTH=PLAIN", "TAG BAD what?\r\n", false, "refused with BAD"),
        ("* OK hi\r\n", "IMAP4rev1 STARTTLS AUTH=PLAIN", "TAG OK go\r\n", true, "as it should be"),
        ("* OK hi\r\n", "IMAP4rev1 STARTTLS AUTH=PLAIN", "TAG OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\ng3 OK injected\r\ng4 OK injected\r\n", true, "more behind it: whether it is dropped or ends the connection, it is not believed"),
        ("* OK hi\r\n", "IMAP4rev1 STARTTLS AUTH=PLAIN", "TAG OK go\r\nthis is no TLS", false, "no TLS follows"),
        ("* PREAUTH hi\r\n", "IMAP4rev1 STARTTLS AUTH=PLAIN", "TAG OK go\r\n", false, "signed in before it was protected (RFC 9051 section 11.3)"),
    ];
    for (greeting, capabilities, to_starttls, tls_follows, why) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (clear, protected) = (Arc::new(Mutex::new(String::new())), Arc::new(Mutex::new(String::new())));
        let (in_clear, in_tls, acceptor) = (Arc::clone(&clear), Arc::clone(&protected), acceptor(&authority));
        let server = tokio::spawn(async move {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            stream.write_all(greeting.as_bytes()).await.ok()?;
            loop {
                let command = line(&mut stream, &in_clear).await?;
                let (tag, command) = command.split_once(' ')?;
                if command == "STARTTLS" {
                    stream.write_all(to_starttls.replace("TAG", tag).as_bytes()).await.ok()?;
                    break;
                }
                stream.write_all(format!("* CAPABILITY {capabilities}\r\n{tag} OK\r\n").as_bytes()).await.ok()?;
            }
            if tls_follows {
                let tls = acceptor.accept(stream.into_inner()).await.ok()?;
                // After TLS it offers only what the test can tell from what was injected.
                let mut tls = BufReader::new(tls);
                let command = line(&mut tls, &in_tls).await?;
                let tag = command.split_once(' ')?.0;
                tls.write_all(format!("* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n").as_bytes()).await.ok()?;
                tls.flush().await.ok()?;
                let command = line(&mut tls, &in_tls).await?;
                tls.write_all(format!("{} NO enough\r\n", command.split_once(' ')?.0).as_bytes()).await.ok()?;
                tls.flush().await.ok()?;
            }
            Some(())
        });
        let account = ImapAccount {
            host: "localhost".into(),
            tls: Tls::StartTls,
            ca_file: Some(authority.ca_pem.clone()),
            sign_in: SignIn::Password { password: "passwordword".into(), sign_in_as: None },
            ..account(port)
        };
        let findings = examine(&account).await;
        assert!(!faults(&findings).is_empty(), "{why}: {findings:?}");
        let _ = server.await;
        let (clear, protected) = (clear.lock().unwrap().clone(), protected.lock().unwrap().clone());
        assert!(!clear.contains("passwordword") && !clear.contains("support"), "{why}: {clear}");
        if to_starttls.contains("injected") {
            // If it came this far it was asked anew, under TLS, and LOGIN shows that the injected AUTH=PLAIN was not believed.
            assert!(protected.is_empty() || protected.contains("CAPABILITY") && protected.contains("LOGIN"), "{why}: {protected}");
        } else if tls_follows {
            assert!(protected.contains("LOGIN \"support\" \"passwordword\""), "{why}: {protected}");
        }
    }
    // An authority that has not signed the certificate: no credential either.
    let dovecot = Dovecot::start(&[("support", "passwordword")]).await;
    for (tls, port) in [(Tls::Implicit, dovecot.imaps_port), (Tls::StartTls, dovecot.imap_port)] {
        let strange = ImapAccount { host: "localhost".into(), tls, ca_file: Some(authority.stranger_pem.clone()), ..account(port) };
        let told = faults(&examine(&strange).await);
        assert!(told[0].contains("TLS"), "{told:?}");
        let known = ImapAccount { ca_file: Some(authority.ca_pem.clone()), ..strange };
        let known = ImapAccount { sign_in: SignIn::Password { password: "passwordword".into(), sign_in_as: None }, ..known };
        assert_eq!(faults(&examine(&known).await), Vec::<String>::new(), "its own authority");
    }
}

/// Passes connections on and counts how many are open.
async fn counting_proxy(to: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let open = Arc::clone(&open);
            seen.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut onward = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (from.split(), onward.split());
                let down = async {
                    let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
                    // Open until the server closes it, and not until the client has seen that.
                    open.fetch_sub(1, Ordering::SeqCst);
                    let _ = to_client.shutdown().await;
                };
                let up = async {
                    let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
                    let _ = to_server.shutdown().await;
                };
                tokio::join!(down, up);
            });
        }
    });
    (port, most)
}

#[tokio::test]
async fn p3_five_mailboxes_share_two_connections_and_all_mail_lands() {
    let names = ["support", "ana", "ben", "mary", "joao"];
    for (limit, users, why) in [
        ("imap_connections_per_host_max = 2", names, "five users of one host"),
        ("imap_connections_per_user_max = 2", ["support"; 5], "five folders of one user"),
    ] {
        let dovecot = Dovecot::start(&names.map(|name| (name, "secret"))).await;
        let (port, most) = counting_proxy(dovecot.imap_port).await;
        let boxes: Vec<String> = names
            .iter()
            .zip(users)
            .map(|(name, user)| {
                let folder = if *name == user { "INBOX".to_owned() } else { format!("box-{name}") };
                format!(
                    "[[mailbox]]\nname = \"{name}\"\naddress = \"{name}-box@acme.example\"\nteam = \"frontline\"\nfolder = \"{folder}\"\n\
                     poll_every = \"300ms\"\nimap = {{ host = \"127.0.0.1\", port = {port}, tls = \"none\", user = \"{user}\", password = \"secret\" }}\n"
                )
            })
            .collect();
        for (name, user) in names.iter().zip(users).filter(|(name, user)| *name != user) {
            dovecot.doveadm(&["mailbox", "create", "-u", user, &format!("box-{name}")]).await;
        }
        let mut daemon = daemon_with(&format!("{}\n[limits]\n{limit}\n", desk(&boxes.concat())));
        daemon.run().await;
        for round in 0..3 {
            for (n, (name, user)) in names.iter().zip(users).enumerate() {
                let mail = MailText::new(&format!("c{round}{n}@c.example"), &format!("{name}-box@acme.example")).octets();
                if *name == user {
                    dovecot.deliver_lmtp(user, &mail).await;
                } else {
                    dovecot.save(user, &format!("box-{name}"), &mail).await;
                }
            }
            tickets_are(&daemon, 5 * (round + 1), why).await;
        }
        assert_eq!(daemon.terminate().await.code(), Some(0), "{why}");
        assert_eq!(most.load(Ordering::SeqCst), 2, "{why}: both are used, and no more");
        let log = log(&daemon);
        assert!(!log.contains("session ended"), "{why}: taking turns is no fault\n{log}");
    }
}
