//! The past as it lies in mbox files, Maildirs and folders of mails: two looks at each mail. The first finds when it was and whom it
//! answers, so that the second can go through all of them by time with few in memory.

use super::past::{Content, Item, Origin};
use crate::channel::import::{self, MailFile, Stretch};
use crate::domain::message::MessageId;
use crate::mail::normalise::{NormaliseLimits, Parsed, normalise};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// Octets of a mail that the first look reads.
const HEAD_OCTETS_MAX: usize = 64 * 1024;

/// From when until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub since: Timestamp,
    pub until: Timestamp,
}

impl Span {
    /// Whether something of this time is part of it.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.since <= at && at < self.until
    }
}

/// What the first look found.
#[derive(Debug, Default)]
pub struct Archive {
    files: Vec<MailFile>,
    mails: Vec<Found>,
    /// Mails of no time at all.
    pub undated: u64,
    /// Mails outside of the span, and those of threads that began before it.
    pub outside: u64,
    /// What could not be read, with the reason.
    pub unread: Vec<(PathBuf, String)>,
}

#[derive(Clone, Copy, Debug)]
struct Found {
    at: Timestamp,
    file: usize,
    stretch: Stretch,
    /// Its place in its file, from 1.
    n: u32,
    /// Stands for its thread; see [`Threads`].
    node: usize,
    last: bool,
}

impl Archive {
    /// Looks through all files; `tell` hears of the octets that were read, and of all that there are.
    #[must_use]
    pub fn find(paths: &[PathBuf], span: Span, message_octets_max: u64, mut tell: impl FnMut(u64, u64)) -> Self {
        let (files, unread) = import::find(paths);
        let total = files.iter().map(|file| file.octets).sum();
        let mut archive = Self { unread, ..Self::default() };
        let mut threads = Threads::default();
        let limits = NormaliseLimits::default();
        let mut done = 0;
        for (at, file) in files.iter().enumerate() {
            let mut n = 0;
            let looked = file.each(message_octets_max, |stretch, part| {
                n += 1;
                let head = normalise(head(&part.raw), &limits);
                let Some(time) = time_of(&head).or_else(|| written_at(file)) else {
                    archive.undated += 1;
                    return;
                };
                let node = threads.join(head.message_id.iter().chain(&head.in_reply_to).chain(&head.references));
                archive.mails.push(Found { at: time, file: at, stretch, n, node, last: false });
                if file.is_mbox() {
                    tell(done + stretch.start, total);
                }
            });
            if let Err(fault) = looked {
                archive.unread.push((file.path.clone(), fault.to_string()));
            }
            done += file.octets;
            tell(done, total);
        }
        archive.files = files;
        archive.put_in_order(&mut threads, span);
        archive
    }

    fn put_in_order(&mut self, threads: &mut Threads, span: Span) {
        self.mails.sort_by_key(|mail| (mail.at, mail.file, mail.n));
        let mut last: HashMap<usize, usize> = HashMap::new();
        for (place, mail) in self.mails.iter().enumerate() {
            last.insert(threads.root(mail.node), place);
        }
        for place in last.into_values() {
            if let Some(mail) = self.mails.get_mut(place) {
                mail.last = true;
            }
        }
        let all = self.mails.len();
        // A thread belongs to the span if it began in it: an answer to what is not there opens nothing.
        let mut began: HashMap<usize, Timestamp> = HashMap::new();
        for mail in &self.mails {
            began.entry(threads.root(mail.node)).or_insert(mail.at);
        }
        self.mails.retain(|mail| span.holds(mail.at) && began.get(&threads.root(mail.node)).is_some_and(|began| span.since <= *began));
        self.outside = (all - self.mails.len()) as u64;
    }

    /// How many mails there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.mails.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.mails.is_empty()
    }

    /// All mails, by time. What cannot be read any more is noted and passed over.
    pub fn each(&mut self, mailbox: Option<&str>, message_octets_max: u64, mut take: impl FnMut(Item)) {
        // What has become of a file is told once.
        let mut broken = HashSet::new();
        for mail in &self.mails {
            let Some(file) = self.files.get(mail.file).filter(|_| !broken.contains(&mail.file)) else { continue };
            match file.read(mail.stretch, message_octets_max) {
                Ok(part) => take(Item {
                    at: mail.at,
                    mailbox: mailbox.map(str::to_owned),
                    name: name_of(file, mail.n),
                    origin: Origin::Archive { last: mail.last },
                    content: Content::Mail(part.raw),
                }),
                Err(fault) => {
                    self.unread.push((file.path.clone(), fault.to_string()));
                    broken.insert(mail.file);
                }
            }
        }
    }
}

fn name_of(file: &MailFile, n: u32) -> String {
    let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if file.is_mbox() { format!("{name}:{n}") } else { name }
}

fn written_at(file: &MailFile) -> Option<Timestamp> {
    // All mails of one file have not one time.
    let seconds = file.written_at().filter(|_| !file.is_mbox())?;
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

/// Its header with the empty line behind it.
fn head(raw: &[u8]) -> &[u8] {
    // Some writers put empty lines in front.
    let gap = raw.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    let raw = raw.get(gap..).unwrap_or_default();
    let start = raw.get(..HEAD_OCTETS_MAX).unwrap_or(raw);
    let ends = |gap: &[u8]| memchr::memmem::find(start, gap).map(|at| at + gap.len());
    let end = [ends(b"\n\n"), ends(b"\r\n\r\n")].into_iter().flatten().min().unwrap_or(start.len());
    start.get(..end).unwrap_or(start)
}

/// When our server got it (the topmost Received, RFC 5321 section 4.4), else what its Date claims.
fn time_of(head: &Parsed) -> Option<Timestamp> {
    static PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    let received = head.headers.iter().find(|field| field.name == "received");
    let date = received.and_then(|field| field.value.rsplit_once(';')).map(|(_, date)| date.trim());
    date.and_then(|date| PARSER.parse_timestamp(date).ok()).or(head.sent_at)
}

/// Which mails refer to one another: a forest of Message-IDs, joined as they come.
#[derive(Debug, Default)]
struct Threads {
    nodes: HashMap<u64, usize>,
    parents: Vec<usize>,
}

impl Threads {
    /// The thread of a mail that has or names these ids.
    fn join<'a>(&mut self, ids: impl Iterator<Item = &'a MessageId>) -> usize {
        let mut node = None;
        for id in ids {
            let mut hasher = DefaultHasher::new();
            id.hash(&mut hasher);
            let next = self.parents.len();
            let of_id = *self.nodes.entry(hasher.finish()).or_insert(next);
            if of_id == next {
                self.parents.push(next);
            }
            let (root, joined) = (self.root(of_id), node.map_or(of_id, |node| self.root(node)));
            if let Some(parent) = self.parents.get_mut(joined) {
                *parent = root;
            }
            node = Some(root);
        }
        node.unwrap_or_else(|| {
            self.parents.push(self.parents.len());
            self.parents.len() - 1
        })
    }

    fn root(&mut self, mut node: usize) -> usize {
        while let Some(parent) = self.parents.get(node).copied().filter(|parent| *parent != node) {
            // Each look shortens the way for the next.
            let above = self.parents.get(parent).copied().unwrap_or(parent);
            if let Some(shorter) = self.parents.get_mut(node) {
                *shorter = above;
            }
            node = parent;
        }
        node
    }
}
