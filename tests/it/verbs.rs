//! The command line, as people and scripts use it.

use crate::desk::{CUSTOMERS, maildirs};
use crate::support::daemon::Daemon;
use crate::support::mail::MailText;
use crate::support::scratch::{Scratch, free_port};
use crate::support::wait::{LIMIT, wait_until};
use serde_json::Value;
use std::process::{Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn p12_a_wrong_configuration_names_file_line_and_key_and_never_runs() {
    let mut daemon = Daemon::new(&[
        ("guichet.toml", &maildirs("[[agent]]\nname = \"X\"\naddress = \"x@acme.example\"\nteams = [\"bilingl\"]\n")),
        ("customers.csv", CUSTOMERS),
    ]);
    let checked = daemon.cli(&["check"]).await;
    assert_eq!(checked.status.code(), Some(2));
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    let line = said.lines().next().unwrap();
    assert!(line.contains("guichet.toml:") && line.contains("agent") && line.contains("bilingl") && line.contains("billing"), "{said}");
    assert_eq!(daemon.run_to_end().await.code(), Some(2), "run refuses it with the same exit code");
    daemon.write("guichet.toml", &maildirs(""));
    let checked = daemon.cli(&["check"]).await;
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[tokio::test]
async fn p12_check_ends_with_a_summary_and_strict_takes_warnings_for_faults() {
    let useless = "[[rule]]\nname = \"calls\"\nwhen = { channel = \"phone\" }\nthen = { tags = \"call\" }\n";
    let daemon = Daemon::new(&[("guichet.toml", &maildirs(useless)), ("customers.csv", CUSTOMERS)]);
    let checked = daemon.cli(&["check"]).await;
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{said}");
    assert!(said.lines().any(|line| line.starts_with("warning: ") && line.contains("rule.when.channel: never holds")), "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.contains(": right. 1 mailbox, 2 teams, 2 agents") && last.contains(" templates, ") && last.contains("0 faults, "),
        "{said}"
    );
    let strict = daemon.cli(&["check", "--strict"]).await;
    let said = String::from_utf8_lossy(&strict.stderr).into_owned();
    assert_eq!(strict.status.code(), Some(2), "{said}");
    assert!(said.lines().last().unwrap().contains(": wrong. "), "{said}");
}

#[tokio::test]
async fn p9_explain_shows_the_whole_way_of_a_mail() {
    let daemon = Daemon::new(&[("guichet.toml", &maildirs("")), ("customers.csv", CUSTOMERS)]);
    let mail = MailText::new("João <joao@padaria.example>", "support@acme.example").subject("Fatura").text("A fatura veio em dobro.\n");
    let file = daemon.dir().join("mail.eml").display().to_string();
    std::fs::write(&file, mail.octets()).unwrap();
    let explained = daemon.cli(&["explain", &file]).await;
    let said = String::from_utf8_lossy(&explained.stdout).into_owned();
    for expected in [
        "outcome   a new ticket #",
        "mailbox   support: the mail is addressed to support@acme.example",
        "verdict   unknown",
        "customer  organisation Padaria, plan extended, language pt, tier advanced",
        "          because plan 'extended' of joao@padaria.example gives tier advanced",
        "clocks    first_response",
        "mails would be sent",
        "ack by mail to the customer joao@padaria.example",
    ] {
        assert!(said.contains(expected), "{expected} in:\n{said}");
    }
    let json = daemon.json(&["explain", &file]).await;
    assert_eq!((&json["sender"]["tier"], &json["mailbox"]), (&"advanced".into(), &"support".into()), "{json}");
    assert_eq!(daemon.cli(&["explain", "--mailbox", "sales", &file]).await.status.code(), Some(2), "there is none of that name");
}

#[tokio::test]
async fn p12_a_reload_that_fails_leaves_the_old_one_in_force() {
    let mut daemon = Daemon::start(&[("guichet.toml", &maildirs("")), ("customers.csv", CUSTOMERS)]).await;
    daemon.write("guichet.toml", "nonsense");
    daemon.signal("HUP");
    crate::support::wait::wait_until("the reload to be refused", crate::support::wait::LIMIT, async || {
        std::fs::read_to_string(daemon.log()).is_ok_and(|log| log.contains("old one stays in force")).then_some(())
    })
    .await;
    daemon.write("guichet.toml", &maildirs(""));
    assert!(daemon.json_lines(&["tickets"]).await.is_empty(), "it still runs");
    assert_eq!(daemon.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_daemon_is_told_to_try_later_and_verbs_work_without_one() {
    let mut daemon = Daemon::start(&[("guichet.toml", &maildirs("")), ("customers.csv", CUSTOMERS)]).await;
    let second = daemon.cli(&["run"]).await;
    assert_eq!(second.status.code(), Some(75), "{}", String::from_utf8_lossy(&second.stderr));
    assert_eq!(daemon.terminate().await.code(), Some(0));
    assert!(daemon.json_lines(&["tickets", "--status", "any"]).await.is_empty());
    assert_eq!(daemon.json(&["verify"]).await["ok"], true);
    assert_eq!(daemon.cli(&["ticket", "7"]).await.status.code(), Some(1));
    assert_eq!(daemon.cli(&["tickets", "--status", "opne"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn one_can_look_while_what_is_written_on_disk_is_wrong() {
    let mut daemon = Daemon::start(&[("guichet.toml", &maildirs("")), ("customers.csv", CUSTOMERS)]).await;
    daemon.arrives("1.mary", &MailText::new("mary@shop.example", "support@acme.example").subject("Help").octets());
    lines_when(&daemon, &["tickets"], "the ticket", |lines| lines.len() == 1).await;
    let looks: [&[&str]; 8] = [
        &["tickets"],
        &["ticket", "1"],
        &["status"],
        &["outbox", "list"],
        &["quarantine", "list"],
        &["suppressions", "list"],
        &["verify"],
        &["dump"],
    ];
    for (toml, customers, named, why) in [
        (maildirs(""), "address,plan\nno address at all,free\n", "customers.csv", "a row of customers"),
        (maildirs("[[rule]]\nname = \"x\"\nteam = \"nobody\"\n"), CUSTOMERS, "rule", "a rule"),
        (maildirs("[[rule]\nname = \n"), CUSTOMERS, "guichet.toml", "no TOML"),
    ] {
        daemon.write("guichet.toml", &toml);
        daemon.write("customers.csv", customers);
        for args in looks {
            let output = daemon.cli(args).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{why}, {args:?}: {said}");
            assert!(said.starts_with("warning: ") && said.contains(named) && said.lines().count() == 1, "{why}, {args:?}: {said}");
            assert!(!output.stdout.is_empty(), "{why}, {args:?} answers");
        }
    }
    assert_eq!(daemon.terminate().await.code(), Some(0));
    let alone = daemon.cli(&["tickets"]).await;
    assert_eq!(alone.status.code(), Some(2), "p12: where nothing runs, nothing is opened with it");
    assert!(String::from_utf8_lossy(&alone.stderr).contains("guichet.toml:"));
}

#[tokio::test]
async fn tickets_come_most_urgent_first_and_as_many_as_are_asked_for() {
    let mut daemon = Daemon::start(&[("guichet.toml", &maildirs("")), ("customers.csv", CUSTOMERS)]).await;
    let args = ["tickets", "--status", "any"];
    for (at, sender) in ["mary@shop.example", "joao@padaria.example", "x@tehas.example"].into_iter().enumerate() {
        daemon.arrives(&format!("{at}.m"), &MailText::new(sender, "support@acme.example").subject(&format!("Matter {at}")).octets());
        lines_when(&daemon, &args, "the ticket", |lines| lines.len() == at + 1).await;
    }
    let all = daemon.json_lines(&args).await;
    let numbers = |lines: &[Value]| lines.iter().map(|line| line["number"].as_u64().unwrap()).collect::<Vec<_>>();
    for limit in 0..5 {
        let some = daemon.json_lines(&[&args[..], &["--limit", &limit.to_string()]].concat()).await;
        let expect = if limit == 0 { all.len() } else { all.len().min(limit) };
        assert_eq!(some, all[..expect], "limit {limit}");
    }
    assert_eq!(numbers(&all), [2, 1, 3], "the higher tier is owed an answer sooner; then what came first");
    let text = daemon.cli(&["tickets", "--limit", "2"]).await;
    let (said, hint) = (String::from_utf8_lossy(&text.stdout).into_owned(), String::from_utf8_lossy(&text.stderr).into_owned());
    assert!(said.starts_with("number") && said.lines().count() == 3 && hint.contains("there are more"), "{said}{hint}");
    assert_eq!(daemon.terminate().await.code(), Some(0));
    assert_eq!(daemon.json_lines(&args).await, all, "the same from the store alone");
    assert_eq!(daemon.cli(&["tickets", "--limit", "2"]).await.stdout, text.stdout);
}

#[tokio::test]
async fn a_damaged_store_refuses_to_start_and_says_what_to_do() {
    let mut daemon = Daemon::start(&[("guichet.toml", &maildirs("")), ("customers.csv", CUSTOMERS)]).await;
    assert_eq!(daemon.terminate().await.code(), Some(0));
    let mut struck = 0;
    let mut folders = vec![daemon.state_dir()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() == "conf" || entry.file_name() == "db" {
                let length = entry.metadata().unwrap().len();
                std::fs::write(entry.path(), vec![0xA5; usize::try_from(length.max(64)).unwrap()]).unwrap();
                struck += 1;
            }
        }
    }
    assert!(struck > 0, "the engine's files are where this test looks");
    let ended = daemon.run_to_end().await;
    assert_eq!(ended.code(), Some(1));
    let log = std::fs::read_to_string(daemon.log()).unwrap();
    assert!(log.contains("damaged") && log.contains("backup"), "{log}");
}

async fn lines_when(daemon: &Daemon, args: &[&str], what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    wait_until(what, LIMIT, async || {
        let lines = daemon.json_lines(args).await;
        holds(&lines).then_some(lines)
    })
    .await
}

async fn metrics(port: u16) -> String {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn p3_what_is_in_quarantine_is_listed_shown_whole_and_released_once() {
    let port = free_port();
    let chat = format!("[chat]\nlisten = \"127.0.0.1:{port}\"\nteam = \"frontline\"\n");
    let mut daemon = Daemon::start(&[("guichet.toml", &maildirs(&chat)), ("customers.csv", CUSTOMERS)]).await;
    let nobody =
        b"To: support@acme.example\r\nSubject: From nobody\r\nMessage-ID: <n@x.example>\r\n\r\nCan you hear me?\0\xff\r\n".to_vec();
    daemon.arrives("1.nobody", &nobody);
    lines_when(&daemon, &["quarantine", "list"], "the first", |lines| lines.len() == 1).await;
    let away = MailText::new("joao@padaria.example", "support@acme.example").subject("Away").header("Auto-Submitted", "auto-replied");
    let away = away.text("I am away.\n").octets();
    daemon.arrives("2.away", &away);
    let lines = lines_when(&daemon, &["quarantine", "list"], "both in quarantine", |lines| lines.len() == 2).await;
    let told = |line: &Value| (line["id"].clone(), line["reason"].clone(), line["mailbox"].clone(), line["octets"].clone());
    assert_eq!(told(&lines[0]), (1.into(), "no_sender".into(), "support".into(), nobody.len().into()));
    assert_eq!(told(&lines[1]), (2.into(), "machine".into(), "support".into(), away.len().into()));
    let log = std::fs::read_to_string(daemon.log()).unwrap();
    assert!(log.contains("no_sender") && log.contains("quarantine show 2"), "{log}");
    assert!(!log.contains("From nobody") && !log.contains("joao@"), "no content: {log}");

    let counted = metrics(port).await;
    for reason in ["no_sender", "machine"] {
        assert!(counted.contains(&format!("guichet_quarantined_total{{reason=\"{reason}\"}} 1")), "{counted}");
    }

    for (id, octets) in [("1", &nobody), ("2", &away)] {
        assert_eq!(&daemon.cli(&["quarantine", "show", id, "--raw"]).await.stdout, octets, "octet by octet");
    }
    assert_eq!(daemon.json(&["quarantine", "show", "1"]).await, lines[0]);
    let landed = daemon.json(&["quarantine", "release", "1"]).await;
    let number = landed["ticket"].as_u64().unwrap().to_string();
    let again = daemon.cli(&["quarantine", "release", "1"]).await;
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(1));
    assert!(said.contains("released already") && said.contains(&number), "{said}");
    let ticket = daemon.json(&["ticket", &number]).await;
    assert_eq!((&ticket["subject"], &ticket["requester"]["address"]), (&"From nobody".into(), &Value::Null));
    assert_eq!(daemon.json_lines(&["quarantine", "list"]).await.len(), 1, "one is left");
    assert_eq!(daemon.json_lines(&["quarantine", "list", "--all"]).await[0]["released"], landed);

    // The same without a daemon.
    assert_eq!(daemon.terminate().await.code(), Some(0));
    assert_eq!(daemon.cli(&["quarantine", "show", "2", "--raw"]).await.stdout, away);
    assert_eq!(daemon.cli(&["quarantine", "release", "1"]).await.status.code(), Some(1));
    let landed = daemon.json(&["quarantine", "release", "2"]).await;
    let ticket = daemon.json(&["ticket", &landed["ticket"].to_string()]).await;
    assert_eq!(ticket["requester"]["address"], "joao@padaria.example");
    assert_eq!(daemon.cli(&["quarantine", "release", "9"]).await.status.code(), Some(1), "none of that number");
    for mail in daemon.json_lines(&["outbox", "list"]).await {
        assert_eq!(mail["purpose"], "notification", "P6: the machine is not answered: {mail}");
    }
    assert_eq!(daemon.json(&["verify"]).await["ok"], true);

    // The same mail again changes nothing (P2).
    daemon.run().await;
    daemon.arrives("3.nobody", &nobody);
    wait_until("it to be taken in", LIMIT, async || (!daemon.state_dir().join("in/new/3.nobody").exists()).then_some(())).await;
    assert_eq!(daemon.json_lines(&["tickets"]).await.len(), 2);
    assert!(daemon.json_lines(&["quarantine", "list"]).await.is_empty());
}

#[tokio::test]
async fn p5_what_waits_is_listed_sent_at_once_or_dropped() {
    let maildir = "[smtp]\nmaildir = \"@STATE@/out\"\n";
    let down = format!("[smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\ntime_limit = \"5s\"\n", free_port());
    let config = maildirs("").replace(maildir, &down);
    let mut daemon = Daemon::start(&[("guichet.toml", &config), ("customers.csv", CUSTOMERS)]).await;
    daemon.arrives("1.mary", &MailText::new("mary@shop.example", "support@acme.example").subject("Help").octets());
    let tried = |lines: &[Value]| lines.len() == 3 && lines.iter().all(|l| l["delivery"] == "deferred");
    let lines = lines_when(&daemon, &["outbox", "list"], "each tried once", tried).await;
    let ack = lines.iter().find(|l| l["purpose"] == "ack").unwrap();
    assert_eq!((&ack["to"], &ack["by"]), (&"mary@shop.example".into(), &"mail".into()));
    assert!(ack["last_error"].as_str().is_some_and(|e| !e.is_empty()), "{ack}");

    let ids: Vec<String> = lines.iter().map(|l| l["id"].as_str().unwrap().to_owned()).collect();
    let attempts = |lines: &[Value], id: &str| lines.iter().find(|l| l["id"] == id).and_then(|l| l["attempts"].as_u64()).unwrap();
    let before = attempts(&daemon.json_lines(&["outbox", "list"]).await, &ids[0]);
    assert_eq!(daemon.json(&["outbox", "retry", &ids[0]]).await["id"], ids[0].as_str());
    lines_when(&daemon, &["outbox", "list"], "it to be tried again", |lines| attempts(lines, &ids[0]) > before).await;

    let dropped = daemon.json(&["outbox", "drop", &ids[1]]).await;
    assert_eq!((&dropped["delivery"], &dropped["last_error"]), (&"failed".into(), &"dropped by hand".into()));
    assert_eq!(daemon.cli(&["outbox", "drop", &ids[1]]).await.status.code(), Some(1), "it does not wait any more");
    assert_eq!(daemon.json_lines(&["outbox", "list"]).await.len(), 2);
    assert_eq!(daemon.json_lines(&["outbox", "list", "--all"]).await.len(), 3);
    let ticket = daemon.json(&["ticket", ids[1].split('.').next().unwrap()]).await;
    let told = |line: &&Value| line["why"] == "dropped by hand" && line["what"].as_str().is_some_and(|what| what.contains(&ids[1]));
    assert_eq!(ticket["history"].as_array().unwrap().iter().filter(told).count(), 1, "{ticket}");
    for (id, code) in [("1042.99", 1), ("7.1", 1), ("1042", 2), ("x.y", 2)] {
        assert_eq!(daemon.cli(&["outbox", "retry", id]).await.status.code(), Some(code), "{id}");
    }

    // Without a daemon; what was dropped can be sent after all once the relay is up.
    assert_eq!(daemon.terminate().await.code(), Some(0));
    assert_eq!(daemon.json(&["outbox", "drop", &ids[2]]).await["delivery"], "failed");
    assert_eq!(daemon.json(&["outbox", "retry", &ids[1]]).await["delivery"], "queued");
    assert_eq!(daemon.json(&["verify"]).await["ok"], true);
    daemon.write("guichet.toml", &maildirs(""));
    daemon.run().await;
    daemon.json(&["outbox", "retry", &ids[0]]).await;
    lines_when(&daemon, &["outbox", "list"], "the outbox to empty", <[Value]>::is_empty).await;
    assert_eq!(std::fs::read_dir(daemon.state_dir().join("out/new")).unwrap().count(), 2, "but not what stayed dropped");
    assert_eq!(daemon.cli(&["outbox", "retry", &ids[0]]).await.status.code(), Some(1), "it was sent");
}

#[tokio::test]
async fn the_demo_shows_the_main_job() {
    let scratch = Scratch::new("demo");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_guichet"));
    demo.args(["demo", "--once", "--dir"]).arg(scratch.join("d")).args(["--listen", &format!("127.0.0.1:{}", free_port())]);
    let output = demo.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for expected in [
        "#1042",
        "#1043",
        "#1044",
        "⇢ mail to mary@smallshop.example",
        "⇢ mail to joao@padaria.example",
        "⇢ mail to mari@tehas.example",
        "a machine wrote it",
        "status solved (#solve)",
        "did you mean #solve?",
    ] {
        assert!(said.contains(expected), "{expected} in:\n{said}");
    }
    assert!(!said.contains("#1045"), "five mails, three matters:\n{said}");
}
