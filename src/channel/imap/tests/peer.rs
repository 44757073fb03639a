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
    next_uid: u32,
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
        let mut stream = BufReader::new(stream);
        stream.write_all(b"* OK wait\r\n* OK hello\r\n").await.ok()?;
        let mut news = self.news.subscribe();
        loop {
            let line = read_line(&mut stream).await?;
            let (tag, command) = line.split_once(' ')?;
            let quirk = self.with(|shop| {
                shop.log.push(command.to_owned());
                (shop.rule)(command, connection)
            });
            match quirk {
                Some(Quirk::Say(text)) => {
                    stream.write_all(text.replace("TAG", tag).as_bytes()).await.ok()?;
                    continue;
                }
                Some(Quirk::Close(text)) => {
                    stream.write_all(text.replace("TAG", tag).as_bytes()).await.ok()?;
                    return None;
                }
                Some(Quirk::First(text)) => stream.write_all(text.as_bytes()).await.ok()?,
                None => {}
            }
            if command.starts_with("AUTHENTICATE") {
                stream.write_all(b"+ \r\n").await.ok()?;
                read_line(&mut stream).await?;
            } else if command == "IDLE" {
                stream.write_all(b"+ idling\r\n").await.ok()?;
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
            } else if command == "LOGOUT" {
                stream.write_all(format!("* BYE\r\n{tag} OK\r\n").as_bytes()).await.ok()?;
                return None;
            }
            let answer = self.with(|shop| shop.answer(command));
            stream.write_all(answer.replace("TAG", tag).as_bytes()).await.ok()?;
        }
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
            ["CAPABILITY"] => format!("* CAPABILITY {}\r\nTAG OK\r\n", self.capabilities),
            ["SELECT", ..] => format!(
                "* FLAGS (\\Deleted \\Seen)\r\n* OK [PERMANENTFLAGS ({})] ok\r\n* {} EXISTS\r\n* OK [UIDVALIDITY {}] ok\r\nTAG OK [READ-WRITE] ok\r\n",
                self.permanent_flags,
                self.inbox.len(),
                self.uid_validity
            ),
            ["NOOP"] => format!("* {} EXISTS\r\nTAG OK\r\n", self.inbox.len()),
            ["UID", "SEARCH", criteria @ ..] => self.search(criteria),
            ["UID", "FETCH", set, items @ ..] => self.fetch(set, &items.join(" ")),
            ["UID", "MOVE", set, folder] => self.put(set, folder, true),
            ["UID", "COPY", set, folder] => self.put(set, folder, false),
            ["UID", "STORE", set, _, flags @ ..] => {
                let flags: Vec<String> = flags.iter().map(|flag| flag.trim_matches(['(', ')']).to_owned()).collect();
                for uid in self.uids(set) {
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
                write!(answer, "* {} EXPUNGE\r\n", self.inbox.range(..=*uid).count()).unwrap();
                self.inbox.remove(uid);
            }
        }
        answer + "TAG OK\r\n"
    }
}
