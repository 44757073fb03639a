//! What real servers say, as MailKit and three Rust crates collected it. The collections lie beside the project where they
//! are there (`../shared/mail/open`), and are not ours to keep a copy of.

use super::super::answer::Answer;
use super::super::guard::Guarded;
use super::desk::{Desk, until};
use super::peer::{Peer, Quirk};
use super::{start, to_processed};
use std::path::{Path, PathBuf};

fn collection(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let found = beside.ancestors().map(|above| above.join("shared/mail/open").join(name)).find(|path| path.exists());
    if found.is_none() {
        println!("skipped: there is no ../shared/mail/open/{name} beside the project");
    }
    found
}

/// The files of a folder's folders, by `folder/name`, with line ends as on the wire and a tag of ours.
fn responses_of_others() -> Option<Vec<(String, String)>> {
    let root = collection("mailkit-imap")?;
    let mut found = Vec::new();
    for folder in std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).replace("\r\n", "\n").replace('\n', "\r\n");
            found.push((name, text.replace("A########", "g1")));
        }
    }
    found.sort();
    Some(found)
}

async fn read_all(text: &str) -> Result<Vec<Answer>, String> {
    let mut guarded = Guarded::new(text.as_bytes(), 1 << 20);
    let mut answers = Vec::new();
    while let Some(response) = guarded.response().await.map_err(|e| e.to_string())? {
        answers.push(Answer::parse(response).ok_or_else(|| String::from_utf8_lossy(response).chars().take(120).collect::<String>())?);
    }
    Ok(answers)
}

#[tokio::test]
async fn p3_what_real_servers_say_is_followed() {
    let Some(files) = responses_of_others() else { return };
    assert!(files.len() > 250, "{} files", files.len());
    let (mut mails, mut sizes, mut found) = (0, 0, 0);
    let mut broken = Vec::new();
    for (name, text) in &files {
        let answers = match read_all(text).await {
            Ok(answers) => answers,
            Err(at) => {
                broken.push((name.as_str(), at));
                continue;
            }
        };
        for answer in answers {
            match answer {
                Answer::Fetch(item) => {
                    mails += usize::from(item.body.is_some());
                    sizes += usize::from(item.size.is_some());
                }
                Answer::Search(uids) => found += uids.len(),
                Answer::Continue(_)
                | Answer::Tagged { .. }
                | Answer::Status { .. }
                | Answer::Bye(_)
                | Answer::Capabilities(_)
                | Answer::Flags { .. }
                | Answer::Exists(_)
                | Answer::Expunged(_)
                | Answer::Other => {}
            }
        }
    }
    assert_eq!(broken, [], "with where each could not be followed");
    println!("{} files: {mails} mails, {sizes} sizes, {found} UIDs", files.len());
    assert!(sizes > 20 && found > 100, "{mails} mails, {sizes} sizes, {found} UIDs");
}

#[tokio::test]
async fn p11_what_parsers_are_tested_with_panics_nowhere() {
    let Some(root) = collection("imap-rust-literals") else { return };
    let (mut total, mut followed) = (0, 0);
    for path in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        let cases: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for raw in cases.iter().filter_map(|case| case["raw"].as_str()) {
            total += 1;
            followed += usize::from(read_all(raw).await.is_ok());
        }
    }
    println!("{followed} of {total} followed; the others are fragments, or wrong on purpose");
    assert!(followed * 2 > total, "{followed} of {total}");
}

/// Greeting, capabilities and the answer to SELECT of each make of server, before mail of ours.
#[tokio::test]
async fn p3_a_session_with_each_make_of_server() {
    let Some(files) = responses_of_others() else { return };
    let mut makes: Vec<&str> = files.iter().filter_map(|(name, _)| name.split_once('/')).map(|(make, _)| make).collect();
    makes.dedup();
    let mut sessions = 0;
    for make in makes {
        let of = |parts: &[&str]| {
            let file = |part: &str| files.iter().find(|(name, _)| name.starts_with(&format!("{make}/")) && name.contains(part));
            parts.iter().find_map(|part| file(part)).map(|(_, text)| text.clone())
        };
        let Some(greeting) = of(&["/greeting", "greeting"]) else { continue };
        let greeting: &'static str = greeting.leak();
        let capabilities = of(&["capability-postauth", "/capability.txt", "/capabilities.txt"]);
        let capabilities: Option<&'static str> = capabilities.map(|text| &*text.replace("g1 ", "TAG ").leak());
        let (peer, desk) = (Peer::start(super::FULL).await, Desk::new());
        peer.rule(move |line, _| match line {
            "GREETING" => Some(Quirk::Say(greeting)),
            "CAPABILITY" => capabilities.map(Quirk::Say),
            _ => None,
        });
        for mail in ["first", "second", "third"] {
            peer.deliver(mail);
        }
        let watched = start(&peer, &desk, to_processed());
        until(make, || peer.folder("Processed").len() == 3 && peer.with(|shop| shop.inbox.values().all(|mail| !mail.flags.is_empty())))
            .await;
        assert_eq!(desk.accepted(), ["first", "second", "third"], "{make}");
        assert_eq!(watched.stop().await.last_fault, None, "{make}");
        sessions += 1;
    }
    assert!(sessions >= 12, "{sessions} makes of server");
}
