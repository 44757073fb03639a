//! Commands whose tagged answer is checked, and answers that are waited for within a limit.
//!
//! A command ends with its own tagged OK, or it is a [`Fault`]: a tagged NO or BAD, the end of the connection and silence
//! are never taken for "no mail".

use super::Fault;
use super::answer::Answer;
use super::guard::Guarded;
use std::fmt;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// A server that says nothing for so long while it owes an answer is gone.
const ANSWER_MAX: Duration = Duration::from_mins(1);
/// How much of a server's own words is repeated in a fault, in characters.
const WORDS_MAX: usize = 200;
/// RFC 7162 section 4 asks for command lines of at most 8,192 octets; the rest is for the command around the set.
const SET_OCTETS_MAX: usize = 7_900;

/// A TCP or TLS stream.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Io for T {}

/// One connection to a server.
pub(super) struct Wire {
    stream: Guarded<Box<dyn Io>>,
    last_tag: u32,
    pub(super) folder: Folder,
}

/// The selected folder as the server's untagged answers describe it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) uid_validity: u32,
    /// Messages in it.
    pub(super) exists: u32,
    /// How many of them, from the first, were looked at. Sequence numbers move when a message goes (RFC 9051 section
    /// 7.5.1); both counts move along.
    pub(super) seen: u32,
    /// No message has a UID as high as this yet, if the server told it when the folder was opened.
    pub(super) uid_next: Option<u32>,
}

/// One step of an answer.
pub(super) enum Reply {
    /// Untagged.
    Data(Answer),
    /// `+`: the server waits for the rest of the command; with what it says about that.
    Continue(String),
    /// The tagged OK.
    Done,
}

/// The name that a command and its answer share.
pub(super) type Tag = String;

impl Wire {
    pub(super) fn new(stream: Box<dyn Io>, literal_octets_max: u64) -> Self {
        Self { stream: Guarded::new(stream, literal_octets_max), last_tag: 0, folder: Folder::default() }
    }

    /// The bare stream, for STARTTLS. What was received in the clear and not yet read is dropped: nobody can put words
    /// into the protected connection's mouth beforehand (RFC 9051 section 11.1).
    pub(super) fn into_stream(self) -> Box<dyn Io> {
        self.stream.into_inner()
    }

    /// Sends a command: the whole line in one write.
    pub(super) async fn send(&mut self, command: &str) -> Result<Tag, Fault> {
        self.last_tag = self.last_tag.wrapping_add(1);
        let tag = format!("g{}", self.last_tag);
        self.send_line(&format!("{tag} {command}")).await?;
        Ok(tag)
    }

    /// Sends a line that belongs to a command already begun.
    pub(super) async fn send_line(&mut self, line: &str) -> Result<(), Fault> {
        if line.contains(['\r', '\n', '\0']) {
            return Err(Fault::Protocol("a command must be one line".into()));
        }
        let stream = self.stream.inner();
        let octets = [line.as_bytes(), b"\r\n"].concat();
        let write = async {
            stream.write_all(&octets).await?;
            stream.flush().await
        };
        timeout(ANSWER_MAX, write)
            .await
            .map_err(|_| Fault::Network("the server does not read".into()))?
            .map_err(|e| Fault::Network(e.to_string()))
    }

    /// The next step of the answer to `tag`. A tagged NO or BAD, a BYE and the end of the connection are faults.
    pub(super) async fn next(&mut self, tag: &Tag) -> Result<Reply, Fault> {
        match self.answer().await? {
            Answer::Tagged { tag: theirs, outcome } if theirs == *tag => outcome.map(|()| Reply::Done),
            Answer::Tagged { .. } => Err(Fault::Protocol("an answer to a command that was not given".into())),
            Answer::Continue(text) => Ok(Reply::Continue(text)),
            untagged @ (Answer::Status { .. }
            | Answer::Bye(_)
            | Answer::Capabilities(_)
            | Answer::Flags { .. }
            | Answer::Exists(_)
            | Answer::Expunged(_)
            | Answer::Search(_)
            | Answer::Fetch(_)
            | Answer::Other) => Ok(Reply::Data(untagged)),
        }
    }

    /// Runs a command and gives each untagged answer to `each`.
    pub(super) async fn run(&mut self, command: &str, mut each: impl FnMut(Answer)) -> Result<(), Fault> {
        let tag = self.send(command).await?;
        loop {
            match self.next(&tag).await? {
                Reply::Data(answer) => each(answer),
                Reply::Continue(_) => return Err(Fault::Protocol("the server waits for more than there is".into())),
                Reply::Done => return Ok(()),
            }
        }
    }

    /// The next answer, within the time that a server may take.
    pub(super) async fn answer(&mut self) -> Result<Answer, Fault> {
        timeout(ANSWER_MAX, self.listen()).await.map_err(|_| Fault::Network("the server does not answer".into()))?
    }

    /// The next answer, whenever it comes. Keeps the count of the folder. May be dropped at any time.
    pub(super) async fn listen(&mut self) -> Result<Answer, Fault> {
        let response = self.stream.response().await.map_err(|e| unreadable(&e))?;
        let response = response.ok_or_else(|| Fault::Network("the server closed the connection".into()))?;
        let answer = Answer::parse(response).ok_or_else(|| Fault::Protocol("the server sent what is not IMAP".into()))?;
        match &answer {
            Answer::Bye(why) => return Err(Fault::Network(format!("the server said goodbye: {why}"))),
            Answer::Status { uid_validity: Some(now), .. } => self.folder.validity_is(*now)?,
            Answer::Status { uid_next: Some(next), .. } => self.folder.uid_next = Some(*next),
            Answer::Exists(count) => self.folder.exists = *count,
            Answer::Expunged(number) => self.folder.expunged(*number),
            Answer::Continue(_)
            | Answer::Tagged { .. }
            | Answer::Status { .. }
            | Answer::Capabilities(_)
            | Answer::Flags { .. }
            | Answer::Search(_)
            | Answer::Fetch(_)
            | Answer::Other => {}
        }
        Ok(answer)
    }
}

impl Folder {
    /// RFC 9051 section 2.3.1.1: a folder whose UIDVALIDITY changes has other messages under the same UIDs.
    fn validity_is(&mut self, now: u32) -> Result<(), Fault> {
        if self.uid_validity != 0 && self.uid_validity != now {
            return Err(Fault::Protocol("the folder's UIDVALIDITY changed while it was open".into()));
        }
        self.uid_validity = now;
        Ok(())
    }

    fn expunged(&mut self, number: u32) {
        self.exists = self.exists.saturating_sub(1);
        if number <= self.seen {
            self.seen = self.seen.saturating_sub(1);
        }
    }
}

/// Past a limit, or the network's fault.
fn unreadable(error: &io::Error) -> Fault {
    if error.kind() == io::ErrorKind::FileTooLarge { Fault::Protocol(error.to_string()) } else { Fault::Network(error.to_string()) }
}

/// A server's words, cut and cleaned, as they may stand in a log.
pub(super) fn words(text: Option<&str>) -> String {
    text.unwrap_or("(nothing)").chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}

/// A quoted string (RFC 9051 section 4.3). What cannot be quoted is refused when it is sent.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// A folder's name as it stands on the wire: modified UTF-7 (RFC 3501 section 5.1.3), quoted.
pub(super) fn folder_name(name: &str) -> String {
    quoted(&utf7_imap::encode_utf7_imap(name.to_owned()))
}

/// UIDs, ascending, as sets of ranges, each short enough for one command, with the UIDs that are in it.
pub(super) fn uid_sets(uids: &[u32]) -> Vec<(String, Vec<u32>)> {
    let mut sets: Vec<(String, Vec<u32>)> = Vec::new();
    for run in uids.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
        let range = match run {
            [] => continue,
            [one] => one.to_string(),
            [first, .., last] => format!("{first}:{last}"),
        };
        match sets.last_mut() {
            Some((set, members)) if set.len() + 1 + range.len() <= SET_OCTETS_MAX => {
                set.push(',');
                set.push_str(&range);
                members.extend_from_slice(run);
            }
            _ => sets.push((range, run.to_vec())),
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_quoted_and_encoded() {
        #[rustfmt::skip]
        let cases = [
            ("Processed", r#""Processed""#, "plain"),
            ("Töö/Valmis", r#""T&APYA9g-/Valmis""#, "modified UTF-7"),
            ("A&B", r#""A&-B""#, "the shift character"),
            (r#"a"b\c"#, r#""a\"b\\c""#, "quotes and backslashes"),
        ];
        for (name, wire, reason) in cases {
            assert_eq!(folder_name(name), wire, "{reason}");
        }
    }

    proptest! {
        #[test]
        fn uid_sets_hold_each_uid_once_and_stay_short(uids in proptest::collection::btree_set(1u32.., 0..3000)) {
            let uids: Vec<u32> = uids.into_iter().collect();
            let sets = uid_sets(&uids);
            let mut all = Vec::new();
            for (set, members) in &sets {
                prop_assert!(set.len() <= SET_OCTETS_MAX);
                let mut written = BTreeSet::new();
                for range in set.split(',') {
                    let (first, last) = range.split_once(':').unwrap_or((range, range));
                    written.extend(first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap());
                }
                prop_assert_eq!(written.into_iter().collect::<Vec<_>>(), members.clone());
                all.extend_from_slice(members);
            }
            prop_assert_eq!(all, uids);
        }
    }

    #[test]
    fn runs_become_ranges() {
        #[rustfmt::skip]
        let cases: [(&[u32], &str, &str); 4] = [
            (&[7], "7", "one"),
            (&[1, 2, 3], "1:3", "a run"),
            (&[1, 3, 4, 9], "1,3:4,9", "runs and holes"),
            (&[u32::MAX - 1, u32::MAX], "4294967294:4294967295", "the last UID there is"),
        ];
        for (uids, set, reason) in cases {
            assert_eq!(uid_sets(uids), [(set.to_owned(), uids.to_vec())], "{reason}");
        }
        assert_eq!(uid_sets(&[]), [], "nothing asks for nothing");
    }

    #[test]
    fn the_folder_is_counted_along() {
        let mut folder = Folder { uid_validity: 1, exists: 10, seen: 8, uid_next: None };
        folder.expunged(9);
        assert_eq!((folder.exists, folder.seen), (9, 8), "one that was not looked at yet");
        folder.expunged(1);
        assert_eq!((folder.exists, folder.seen), (8, 7), "one that was");
    }
}
