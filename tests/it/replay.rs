//! The past of a real desk through another configuration: from the running daemon, from its store, and from an archive.

use crate::desk::{Desk, Setup};
use crate::support::mail::MailText;
use serde_json::Value;
use std::path::Path;

const ANA: &str = "Ana Souza <ana@acme.example>";
const MARY: &str = "Mary Hill <mary@shop.example>";

/// Mary's oven, answered and done with; an invoice of João's, which waits.
async fn a_day() -> Desk {
    let desk = Desk::start(Setup::default()).await;
    desk.write(MARY, "Oven", "The oven is cold.").await;
    let told = desk.nth_mail("ana", 1).await;
    desk.answer(ANA, &told, "Which floor?\n").await;
    let answer = desk.nth_mail("mary", 2).await;
    desk.answer(MARY, &answer, "The second.\n").await;
    desk.ticket_when(1, "her answer", |t| t["messages"] == 4).await;
    desk.answer(ANA, &told, "#solve\n\nDone.\n").await;
    desk.ticket_when(1, "solved", |t| t["status"] == "solved").await;
    desk.write("João Lima <joao@padaria.example>", "Fatura", "A fatura está errada.").await;
    desk.ticket_when(2, "his mail", |t| t["messages"] == 2).await;
    desk
}

/// Another configuration beside the one in force, for the same store.
fn changed(desk: &Desk, from: &str, to: &str) -> String {
    let written = std::fs::read_to_string(desk.daemon.config_dir().join("guichet.toml")).unwrap();
    assert!(written.contains(from), "{written}");
    let other = desk.daemon.dir().join("other");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("guichet.toml"), written.replace(from, to)).unwrap();
    for entry in std::fs::read_dir(desk.daemon.config_dir()).unwrap().flatten() {
        if entry.file_name() != "guichet.toml" && entry.path().is_file() {
            std::fs::copy(entry.path(), other.join(entry.file_name())).unwrap();
        }
    }
    other.to_string_lossy().into_owned()
}

async fn replayed(desk: &Desk, against: &str, sources: &[&str]) -> Value {
    desk.daemon.json(&[&["replay", "--since", "2d", "--against", against], sources].concat()).await
}

fn pair(value: &Value) -> (u64, u64) {
    (value["now"].as_u64().unwrap(), value["new"].as_u64().unwrap())
}

#[tokio::test]
async fn the_past_of_the_store_is_heard_as_it_was_from_the_daemon_and_without_it() {
    let mut desk = a_day().await;
    let own = desk.daemon.config_dir().to_string_lossy().into_owned();
    let same = replayed(&desk, &own, &[]).await;
    assert_eq!((&same["tickets"], &same["differing"]), (&2.into(), &0.into()), "{same}");
    assert_eq!(pair(&same["fates"]["opens a ticket"]), (2, 2), "{same}");
    assert_eq!(pair(&same["fates"]["is an answer"]), (2, 2), "{same}");
    assert_eq!(pair(&same["fates"]["joins a ticket"]), (1, 1), "{same}");
    assert_eq!(same["attained"]["basic"]["resolution"]["now"]["met"], 1, "{same}");
    assert_eq!(same["attained"]["advanced"]["first_response"]["now"]["open"], 1, "{same}");

    // What is compared with had no rule for invoices.
    let without = changed(&desk, r#""invoice", "fatura", "arve*""#, r#""nothing""#);
    let other = replayed(&desk, &without, &[]).await;
    let team = other["routing"].as_array().unwrap().iter().find(|d| d["what"] == "team").unwrap_or_else(|| panic!("{other}"));
    assert_eq!((&team["now"], &team["new"], &team["examples"][0]), (&"frontline".into(), &"billing".into(), &"#2.1".into()));
    assert_eq!(other["differing"], 1, "{other}");

    desk.daemon.terminate().await;
    assert_eq!(replayed(&desk, &without, &["store"]).await, other, "the same without a daemon");
}

#[tokio::test]
async fn the_past_in_a_maildir_is_heard_by_its_own_dates() {
    let desk = a_day().await;
    let folder = desk.daemon.dir().join("past");
    let mail = |name: &str, from: &str, to: &str, date: &str, subject: &str, answers: Option<&str>| {
        let mut mail = MailText::new(from, to).subject(subject).header("Date", date);
        if let Some(id) = answers {
            mail = mail.header("In-Reply-To", id);
        }
        let mail = mail.text("It is cold.\n");
        put(&folder, name, &mail.octets());
        mail.message_id()
    };
    let day = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(30);
    let date = |hours: i64| {
        jiff::fmt::rfc2822::to_string(&(day + jiff::SignedDuration::from_hours(hours)).to_zoned(jiff::tz::TimeZone::UTC)).unwrap()
    };
    let asked = mail("2.a", MARY, "support@acme.example", &date(0), "Oven", None);
    mail("1.b", ANA, "mary@shop.example", &date(3), "Re: Oven", Some(&asked));
    let strict = changed(&desk, "first_response = \"4h\"", "first_response = \"2h\"");
    let found = replayed(&desk, &strict, &[&folder.to_string_lossy()]).await;
    let first = &found["attained"]["basic"]["first_response"];
    assert_eq!((&first["now"]["missed"], &first["new"]["met"]), (&1.into(), &1.into()), "{found}");

    let wrong = desk.daemon.cli(&["replay", "--since", "yesterday"]).await;
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(wrong.status.code() == Some(2) && said.contains("2026-01-31"), "what would be right is said: {said}");
    let nothing = desk.daemon.cli(&["replay", "--since", "9d", "--until", "8d", "--against", &strict]).await;
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(nothing.status.code() == Some(1) && said.contains("nothing was said between"), "{said}");
}

fn put(folder: &Path, name: &str, octets: &[u8]) {
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(folder.join(part)).unwrap();
    }
    std::fs::write(folder.join("new").join(name), octets).unwrap();
}
