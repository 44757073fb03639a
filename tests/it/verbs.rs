//! The command line, as people and scripts use it.

use crate::desk::{CUSTOMERS, RULES};
use crate::support::daemon::Daemon;
use crate::support::scratch::{Scratch, free_port};
use std::process::{Command, Stdio};

/// A desk on Maildirs: no server.
fn maildirs(extra: &str) -> String {
    format!(
        r#"[desk]
name = "Acme Support"
state_dir = "@STATE@"
languages = ["en", "pt", "et"]
customers = "customers.csv"
[[mailbox]]
name = "support"
address = "support@acme.example"
team = "frontline"
maildir = "@STATE@/in"
[smtp]
maildir = "@STATE@/out"
{RULES}
{extra}"#
    )
}

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
