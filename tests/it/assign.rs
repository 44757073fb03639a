//! Tickets that the desk gives to its agents, over real wires: each is told of his own, and of no other.

use crate::desk::{Desk, RULES, Setup, subject, whole};
use serde_json::Value;

const ANA: &str = "Ana Souza <ana@acme.example>";

/// The usual desk, whose frontline gives its tickets out by itself.
fn assigning(by: &str) -> Setup {
    let team = "name = \"frontline\"\n";
    let rules = RULES.replacen(team, &format!("{team}assign = \"{by}\"\n"), 1);
    assert_ne!(rules, RULES);
    Setup { rules: Some(rules), ..Setup::default() }
}

/// What history says of who has it.
fn assigned(ticket: &Value) -> Vec<(String, String)> {
    let word = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let lines = ticket["history"].as_array().unwrap().iter().filter(|line| word(line, "what").starts_with("assignee"));
    lines.map(|line| (word(line, "what"), word(line, "why"))).collect()
}

#[tokio::test]
async fn three_mails_and_two_agents_each_of_whom_gets_his_own() {
    let desk = Desk::start(assigning("round-robin")).await;
    for (n, from, user) in [
        (1, "Mary Hill <mary@shop.example>", "mary"),
        (2, "Mari <mari@tehas.example>", "mari"),
        (3, "Other <other@elsewhere.example>", "other"),
    ] {
        desk.write(from, &format!("Matter {n}"), "The oven is cold.").await;
        desk.nth_mail(user, 1).await;
    }
    for (n, agent) in [(1, "ana"), (2, "ben"), (3, "ana")] {
        let ticket = desk.ticket(n).await;
        assert_eq!(ticket["assignee"], agent, "{ticket}");
        let lines = assigned(&ticket);
        assert!(lines.len() == 1 && lines[0].0 == format!("assignee {agent}") && lines[0].1.starts_with("round-robin"), "P9: {lines:?}");
    }
    let told = [desk.nth_mail("ana", 1).await, desk.nth_mail("ana", 2).await, desk.nth_mail("ben", 1).await];
    for (mail, number) in told.iter().zip([1, 3, 2]) {
        assert!(subject(mail).contains(&format!("Matter {number}")), "{}", subject(mail));
        assert!(whole(mail).contains("The oven is cold."), "{}", whole(mail));
    }
    assert_eq!((desk.dovecot.count("ana", "INBOX"), desk.dovecot.count("ben", "INBOX")), (2, 1), "of his own, and of no other");

    // Ben waited longer, but Ana knows her.
    desk.write("Mary Hill <mary@shop.example>", "Matter 4", "And the roof is wet.").await;
    let four = desk.ticket_when(4, "given", |t| !t["assignee"].is_null()).await;
    assert_eq!((four["assignee"].as_str(), assigned(&four)[0].1.as_str()), (Some("ana"), "knows the customer: had #1"));
    desk.verify().await;
}

#[tokio::test]
async fn p1_what_they_have_to_do_survives_a_kill() {
    let mut desk = Desk::start(assigning("least-loaded")).await;
    desk.write("João Lima <joao@padaria.example>", "Matter 1", "The oven is cold.").await;
    let told = desk.nth_mail("ana", 1).await;
    desk.daemon.kill9();
    desk.daemon.run().await;
    for (n, user) in [(2, "mary@shop.example"), (3, "mari@tehas.example"), (4, "other@elsewhere.example")] {
        desk.write(user, &format!("Matter {n}"), "The oven is cold.").await;
        desk.nth_mail(user.split('@').next().unwrap(), 1).await;
    }
    // Hers is of high priority (4); his are low, medium and, of a stranger, low again: 1, 3, 4.
    for n in [2, 3, 4] {
        let ticket = desk.ticket(n).await;
        assert_eq!(ticket["assignee"], "ben", "{:?}", assigned(&ticket));
        assert!(assigned(&ticket)[0].1.contains("against 4 of ana"), "P9: {:?}", assigned(&ticket));
    }
    desk.answer(ANA, &told, "#solve\n\nIt is on.\n").await;
    desk.ticket_when(1, "solved", |t| t["status"] == "solved").await;
    desk.write("carla@elsewhere.example", "Matter 5", "The oven is cold.").await;
    let five = desk.ticket_when(5, "given", |t| !t["assignee"].is_null()).await;
    assert_eq!(
        (five["assignee"].as_str(), assigned(&five)[0].1.contains("0 against 4 of ben")),
        (Some("ana"), true),
        "{:?}",
        assigned(&five)
    );
    desk.verify().await;
}
