//! A small IMAP server with one folder that is true to the RFCs until a test makes it odd.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What to do about a command instead of, or before, what it asks for.
pub(super) enum Quirk {
    /// Say this and nothing else; `TAG` stands for the command's tag.
    Say(&'static str),
    /// The same, then close the connection.
    Close(&'static str),
    /// Say this, then do what was asked for.
    First(&'static str),
    /// Change this, then do what was asked for.
    Change(fn(&mut Shop)),
    /// Do what was asked for, and say what becomes of the answer; then close the connection, if so.
    Twist(fn(&mut Shop, &str) -> String, bool),
}

type Rule = Box<dyn FnMut(&str, usize) -> Option<Quirk> + Send>;

pub(super) struct Mail {
    pub(super) raw: String,
    pub(super) flags: Vec<String>,
}

pub(super) struct Shop {
    pub(super) capabilities: String,
    pub(super) uid_validity: u32,
    pub(super) inbox: BTreeMap<u32, Mail>,
    /// Other folders, and what was put into them.
    pub(super) folders: BTreeMap<String, Vec<String>>,
    pub(super) permanent_flags: &'static str,
    /// Every command line, without its tag.
    pub(super) log: Vec<String>,
    pub(super) connections: usize,
    /// The UID of the next mail.
    pub(super) next_uid: u32,
    /// Answers are written in pieces of one to three octets.
    pub(super) trickles: bool,
    /// True for what may be settled. What was settled before it was true, and any change to mail that was marked as deleted by
    /// a person, is noted.
    pub(super) has_landed: Box<dyn Fn(&str) -> bool + Send>,
    pub(super) broken_promises: Vec<String>,
    /// The test is to kill the watcher.
    pub(super) kill: bool,
    rule: Rule,
}

#[derive(Clone)]
pub(super) struct Peer {
    pub(super) port: u16,
    shop: Arc<Mutex<Shop>>,
    news: watch::Sender<u32>,
}

impl Peer {
    pub(super) async fn start(capabilities: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shop = Shop {
            capabilities: capabilities.to_owned(),
            uid_validity: 7,
            inbox: BTreeMap::new(),
            folders: BTreeMap::from([("Processed".to_owned(), Vec::new())]),
            permanent_flags: "\\Deleted \\Seen \\*",
            log: Vec::new(),
            connections: 0,
            next_uid: 1,
            trickles: false,
            has_landed: Box::new(|_| true),
            broken_promises: Vec::new(),
            kill: false,
            rule: Box::new(|_, _| None),
        };
        let peer = Self { port: listener.local_addr().unwrap().port(), shop: Arc::new(Mutex::new(shop)), news: watch::channel(0).0 };
        let accepting = peer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let peer = accepting.clone();
                tokio::spawn(async move { peer.serve(stream).await });
            }
        });
        peer
    }

    /// From now on, each command is shown to the rule, with the number of its connection from 1.
    pub(super) fn rule(&self, rule: impl FnMut(&str, usize) -> Option<Quirk> + Send + 'static) {
        self.with(|shop| shop.rule = Box::new(rule));
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Shop) -> T) -> T {
        look(&mut self.shop.lock().unwrap())
    }

    pub(super) fn deliver(&self, raw: &str) {
        let count = self.with(|shop| {
            shop.inbox.insert(shop.next_uid, Mail { raw: raw.to_owned(), flags: Vec::new() });
            shop.next_uid += 1;
            u32::try_from(shop.inbox.len()).unwrap()
        });
        self.news.send_replace(count);
    }

    pub(super) fn inbox(&self) -> Vec<String> {
        self.with(|shop| shop.inbox.values().map(|mail| mail.raw.clone()).collect())
    }

    pub(super) fn folder(&self, name: &str) -> Vec<String> {
        self.with(|shop| shop.folders.get(name).cloned().unwrap_or_default())
    }

    /// How many command lines begin so.
    pub(super) fn count(&self, beginning: &str) -> usize {
        self.with(|shop| shop.log.iter().filter(|line| line.starts_with(beginning)).count())
    }

    async fn serve(&self, stream: TcpStream) -> Option<()> {
        let connection = self.with(|shop| {
            shop.connections += 1;
            shop.connections
        });
        stream.set_nodelay(true).ok()?;
        let mut stream = BufReader::new(stream);
        self.do_or(&mut stream, "*", "GREETING", connection, |_| "* OK wait\r\n* OK hello\r\n".to_owned()).await?;
        let mut news = self.news.subscribe();
        loop {
            let line = read_line(&mut stream).await?;
            let (tag, command) = line.split_once(' ')?;
            self.with(|shop| shop.log.push(command.to_owned()));
            if command.starts_with("AUTHENTICATE") {
                if !self.do_or(&mut stream, tag, command, connection, |_| "+ \r\n".to_owned()).await? {
                    continue;
                }
                read_line(&mut stream).await?;
                self.do_or(&mut stream, tag, "SASL", connection, |_| "TAG OK done\r\n".to_owned()).await?;
            } else if command == "IDLE" {
                if !self.do_or(&mut stream, tag, command, connection, |_| "+ idling\r\n".to_owned()).await? {
                    continue;
                }
                // RFC 2177: what came since the last command is told at once.
                let mut line = Vec::new();
                loop {
                    let count = self.with(|shop| shop.inbox.len());
                    news.borrow_and_update();
                    stream.write_all(format!("* {count} EXISTS\r\n").as_bytes()).await.ok()?;
                    tokio::select! {
                        changed = news.changed() => changed.ok()?,
                        octet = stream.read_u8() => {
                            line.push(octet.ok()?);
                            break;
                        }
                    }
                }
                read_line(&mut stream).await?;
                self.do_or(&mut stream, tag, "DONE", connection, |_| "TAG OK done\r\n".to_owned()).await?;
            } else {
                self.do_or(&mut stream, tag, command, connection, |shop| shop.answer(command)).await?;
                if command == "LOGOUT" {
                    return None;
                }
            }
        }
    }

    /// What was asked for, or what the test wants instead; `None`: the connection is closed, false: it was refused.
    async fn do_or(
        &self,
        stream: &mut BufReader<TcpStream>,
        tag: &str,
        command: &str,
        connection: usize,
        answer: impl FnOnce(&mut Shop) -> String,
    ) -> Option<bool> {
        let (before, answer, close) = self.with(|shop| match (shop.rule)(command, connection) {
            Some(Quirk::Say(text)) => (Some(text), None, false),
            Some(Quirk::Close(text)) => (Some(text), None, true),
            Some(Quirk::First(text)) => (Some(text), Some(answer(shop)), false),
            Some(Quirk::Change(change)) => {
                change(shop);
                (None, Some(answer(shop)), false)
            }
            Some(Quirk::Twist(twist, close)) => {
                let answer = answer(shop);
                (None, Some(twist(shop, &answer)), close)
            }
            None => (None, Some(answer(shop)), false),
        });
        let text = [before.unwrap_or_default(), answer.as_deref().unwrap_or_default()].concat().replace("TAG", tag);
        if self.with(|shop| shop.trickles) {
            let mut rest = text.as_bytes();
            while !rest.is_empty() {
                let (piece, others) = rest.split_at(rest.len().min(1 + rest.len() % 3));
                stream.write_all(piece).await.ok()?;
                tokio::task::yield_now().await;
                rest = others;
            }
        } else {
            stream.write_all(text.as_bytes()).await.ok()?;
        }
        (!close).then_some(answer.is_some())
    }
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    (stream.read_line(&mut line).await.ok()? > 0).then(|| line.trim_end().to_owned())
}

impl Shop {
    fn answer(&mut self, command: &str) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        match words.as_slice() {
            ["LOGOUT"] => "* BYE\r\nTAG OK\r\n".into(),
            ["CAPABILITY"] => format!("* CAPABILITY {}\r\nTAG OK\r\n", self.capabilities),
            ["SELECT", ..] => format!(
                "* FLAGS (\\Deleted \\Seen)\r\n* OK [PERMANENTFLAGS ({})] ok\r\n* {} EXISTS\r\n* OK [UIDVALIDITY {}] ok\r\n* OK [UIDNEXT {}] ok\r\nTAG OK [READ-WRITE] ok\r\n",
                self.permanent_flags,
                self.inbox.len(),
                self.uid_validity,
                self.next_uid
            ),
            ["NOOP"] => format!("* {} EXISTS\r\nTAG OK\r\n", self.inbox.len()),
            ["UID", "SEARCH", criteria @ ..] => self.search(criteria),
            ["UID", "FETCH", set, items @ ..] => self.fetch(set, &items.join(" ")),
            ["UID", "MOVE", set, folder] => self.put(set, folder, true),
            ["UID", "COPY", set, folder] => self.put(set, folder, false),
            ["UID", "STORE", set, _, flags @ ..] => {
                let flags: Vec<String> = flags.iter().map(|flag| flag.trim_matches(['(', ')']).to_owned()).collect();
                for uid in self.uids(set) {
                    self.settles(uid);
                    self.inbox.get_mut(&uid).unwrap().flags.extend(flags.clone());
                }
                "TAG OK\r\n".into()
            }
            ["UID", "EXPUNGE", set] => {
                let gone = self.uids(set);
                self.expunge(&gone)
            }
            ["EXPUNGE"] => {
                let gone: Vec<u32> = self.inbox.keys().copied().collect();
                self.expunge(&gone)
            }
            ["CREATE", folder] if self.folders.contains_key(folder.trim_matches('"')) => "TAG NO [ALREADYEXISTS] there\r\n".into(),
            ["CREATE", folder] => {
                self.folders.insert(folder.trim_matches('"').to_owned(), Vec::new());
                "TAG OK\r\n".into()
            }
            ["LOGIN" | "AUTHENTICATE" | "IDLE", ..] => "TAG OK done\r\n".into(),
            _ => "TAG BAD unknown command\r\n".into(),
        }
    }

    fn uids(&self, set: &str) -> Vec<u32> {
        let last = self.inbox.keys().next_back().copied().unwrap_or(0);
        let number = |text: &str| if text == "*" { last } else { text.parse().unwrap() };
        let mut uids = Vec::new();
        for range in set.split(',') {
            let (a, b) = range.split_once(':').unwrap_or((range, range));
            let (a, b) = (number(a), number(b));
            uids.extend(self.inbox.range(a.min(b)..=a.max(b)).map(|(uid, _)| *uid));
        }
        uids
    }

    fn search(&self, criteria: &[&str]) -> String {
        let mut found: Vec<u32> = self.inbox.keys().copied().collect();
        let mut rest = criteria.iter();
        while let Some(word) = rest.next() {
            let with = |flag: &str, uid: &u32| self.inbox[uid].flags.iter().any(|f| f.eq_ignore_ascii_case(flag));
            match *word {
                "UNDELETED" => found.retain(|uid| !with("\\Deleted", uid)),
                "DELETED" => found.retain(|uid| with("\\Deleted", uid)),
                "UNSEEN" => found.retain(|uid| !with("\\Seen", uid)),
                "KEYWORD" => {
                    let keyword = rest.next().unwrap();
                    found.retain(|uid| with(keyword, uid));
                }
                "UNKEYWORD" => {
                    let keyword = rest.next().unwrap();
                    found.retain(|uid| !with(keyword, uid));
                }
                "UID" => {
                    let set = self.uids(rest.next().unwrap());
                    found.retain(|uid| set.contains(uid));
                }
                window => {
                    let (a, b) = window.split_once(':').unwrap();
                    let all: Vec<u32> = self.inbox.keys().copied().collect();
                    let Some(window) = all.get(a.parse::<usize>().unwrap() - 1..b.parse().unwrap()) else {
                        return "TAG BAD sequence numbers out of range\r\n".into();
                    };
                    found.retain(|uid| window.contains(uid));
                }
            }
        }
        let found: Vec<String> = found.iter().map(u32::to_string).collect();
        format!("* SEARCH {}\r\nTAG OK\r\n", found.join(" ")).replace("SEARCH \r", "SEARCH\r")
    }

    fn fetch(&self, set: &str, items: &str) -> String {
        let mut answer = String::new();
        for uid in self.uids(set) {
            let number = self.inbox.range(..=uid).count();
            let mail = &self.inbox[&uid];
            let (size, flags) = (mail.raw.len(), mail.flags.join(" "));
            write!(answer, "* {number} FETCH (UID {uid} FLAGS ({flags}) RFC822.SIZE {size}").unwrap();
            if items.contains("BODY.PEEK") {
                let piece = items.split_once('<').and_then(|(_, piece)| piece.trim_end_matches(">)").split_once('.'));
                let (from, length) = piece.map_or((0, size), |(from, length)| (from.parse().unwrap(), length.parse().unwrap()));
                let raw = &mail.raw[from.min(size)..(from + length).min(size)];
                let origin = piece.map(|(from, _)| format!("<{from}>")).unwrap_or_default();
                write!(answer, " INTERNALDATE \"17-Jul-2026 02:44:25 -0700\" BODY[]{origin} {{{}}}\r\n{raw}", raw.len()).unwrap();
            }
            answer.push_str(")\r\n");
        }
        answer + "TAG OK\r\n"
    }

    fn put(&mut self, set: &str, folder: &str, gone: bool) -> String {
        let uids = self.uids(set);
        let Some(place) = self.folders.get_mut(folder.trim_matches('"')) else { return "TAG NO [TRYCREATE] no such folder\r\n".into() };
        place.extend(uids.iter().map(|uid| self.inbox[uid].raw.clone()));
        for uid in &uids {
            self.settles(*uid);
        }
        if !gone {
            return "TAG OK\r\n".into();
        }
        for uid in &uids {
            self.inbox.get_mut(uid).unwrap().flags.push("\\Deleted".into());
        }
        self.expunge(&uids)
    }

    fn expunge(&mut self, uids: &[u32]) -> String {
        let mut answer = String::new();
        for uid in uids {
            if self.inbox.get(uid).is_some_and(|mail| mail.flags.iter().any(|flag| flag == "\\Deleted")) {
                self.settles(*uid);
                write!(answer, "* {} EXPUNGE\r\n", self.inbox.range(..=*uid).count()).unwrap();
                self.inbox.remove(uid);
            }
        }
        answer + "TAG OK\r\n"
    }

    /// P1, and what a person marked as deleted is left alone.
    fn settles(&mut self, uid: u32) {
        let mail = &self.inbox[&uid];
        if !(self.has_landed)(&mail.raw) {
            self.broken_promises.push(format!("settled before it landed: {}", mail.raw));
        }
    }

    /// The folder is made anew, as when a backup is put back: other UIDs, from `first`, in another order.
    pub(super) fn renumber(&mut self, uid_validity: u32, first: u32) {
        self.uid_validity = uid_validity;
        let mails = std::mem::take(&mut self.inbox).into_values().rev();
        self.inbox = (first..).zip(mails).collect();
        self.next_uid = first + u32::try_from(self.inbox.len()).unwrap();
    }

    /// A person deletes a mail, and may think better of it.
    pub(super) fn mark_deleted(&mut self, word: &str) {
        for mail in self.inbox.values_mut().filter(|mail| mail.raw.contains(word)) {
            mail.flags.push("\\Deleted".into());
        }
    }

    /// Another client removes a mail.
    pub(super) fn take_away(&mut self, word: &str) {
        self.inbox.retain(|_, mail| !mail.raw.contains(word));
    }
}
