//! Mail of the past, from files: mbox, Maildirs, single mails and folders of them, through the same lane as what
//! arrives. Nothing is changed at the source; what was taken in before is known again (P2), so that an import that was
//! broken off goes on where it ended.

use super::lane::{Budget, Lane};
use super::maildir::{self, CUT_OCTETS};
use super::mbox::{self, PIECE_OCTETS_MAX, Part, Splitter};
use super::{Handover, Received};
use crate::domain::address::one_line;
use crate::domain::message::Source;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio_util::sync::CancellationToken;

/// So many messages refused in a row, and it is the desk and not the messages.
const REFUSALS_IN_A_ROW_MAX: u32 = 16;
/// Octets of a path that are kept with a message.
const NAME_OCTETS_MAX: usize = 500;
/// How much of a file is looked at to tell what it is.
const BEGINNING_OCTETS: usize = 4096;

/// What an import needs besides its files.
#[derive(Clone, Debug)]
pub struct Import {
    /// Name of the mailbox that the mails count as having come to.
    pub mailbox: String,
    pub message_octets_max: u64,
    pub budget: Budget,
    /// When cancelled, nothing more is read; what is on its way is waited for.
    pub stop: CancellationToken,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Mails that were read.
    pub read: u64,
    /// Mails that are on disk here, or were before.
    pub landed: u64,
    /// Mails that the desk did not take.
    pub failed: u64,
    /// Octets of the files that were read.
    pub octets: u64,
    /// Files that could not be read, with the reason.
    pub unread: Vec<(PathBuf, String)>,
    /// It ended before its end, since the desk took nothing any more; the last reason.
    pub given_up: Option<String>,
}

/// One file with mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailFile {
    pub path: PathBuf,
    pub octets: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Mbox,
    Mail,
}

/// The files below the given paths, each path's in the order of delivery or of names, and the paths that hold no mail.
/// Blocks.
#[must_use]
pub fn find(paths: &[PathBuf]) -> (Vec<MailFile>, Vec<(PathBuf, String)>) {
    let (mut files, mut unread) = (Vec::new(), Vec::new());
    for path in paths {
        let mut one = |path: PathBuf, in_folder| match look(&path, in_folder) {
            Ok(file) => files.push(file),
            Err(fault) => unread.push((path, fault.to_string())),
        };
        match members(path) {
            Ok(None) => one(path.clone(), false),
            Ok(Some(members)) => members.into_iter().for_each(|member| one(member, true)),
            Err(fault) => unread.push((path.clone(), fault.to_string())),
        }
    }
    (files, unread)
}

/// The mails of a folder; `None` if it is none.
fn members(path: &Path) -> io::Result<Option<Vec<PathBuf>>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(None);
    }
    let (new, cur) = (path.join("new"), path.join("cur"));
    if new.is_dir() || cur.is_dir() {
        let mut all = Vec::new();
        for folder in [new, cur].into_iter().filter(|folder| folder.is_dir()) {
            all.extend(
                maildir::list(&folder)?
                    .into_iter()
                    .map(|name| (maildir::time_in(&name.to_string_lossy()), name.clone(), folder.join(name))),
            );
        }
        // Whether it was read or not, a reply comes behind what it answers.
        all.sort();
        return Ok(Some(all.into_iter().map(|(_, _, path)| path).collect()));
    }
    let mut mails = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_file() && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("eml")) {
            mails.push(path);
        }
    }
    mails.sort();
    if mails.is_empty() {
        return Err(io::Error::other("is no Maildir (new, cur) and holds no .eml file"));
    }
    Ok(Some(mails))
}

impl MailFile {
    /// Gives each mail of it, with where in the file it stands: its start and its length in octets. Blocks.
    ///
    /// # Errors
    /// The disk's.
    pub fn each(&self, message_octets_max: u64, mail: impl FnMut(Stretch, Part)) -> io::Result<()> {
        self.within(Stretch { start: 0, octets: self.octets }, message_octets_max, mail)
    }

    /// Reads one mail that [`MailFile::each`] gave, again. Blocks.
    ///
    /// # Errors
    /// The disk's; the file has changed since.
    pub fn read(&self, stretch: Stretch, message_octets_max: u64) -> io::Result<Part> {
        let mut first = None;
        self.within(stretch, message_octets_max, |_, part| {
            first.get_or_insert(part);
        })?;
        first.ok_or_else(|| io::Error::other("it was changed while it was read"))
    }

    /// The mails of a stretch of the file, of each no more in memory than the limit.
    fn within(&self, stretch: Stretch, message_octets_max: u64, mut mail: impl FnMut(Stretch, Part)) -> io::Result<()> {
        let mut file = std::fs::File::open(&self.path)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(stretch.start))?;
        let mut octets = io::Read::take(io::BufReader::with_capacity(PIECE_OCTETS_MAX, file), stretch.octets);
        match self.kind {
            Kind::Mail => {
                let cut = (stretch.octets > message_octets_max).then_some(stretch.octets);
                let kept = if cut.is_some() { CUT_OCTETS.min(message_octets_max) } else { message_octets_max };
                let mut raw = Vec::new();
                io::Read::read_to_end(&mut io::Read::take(octets, kept), &mut raw)?;
                mail(stretch, Part { raw, cut });
                Ok(())
            }
            Kind::Mbox => {
                let mut splitter = Splitter::new(message_octets_max, CUT_OCTETS);
                let (mut piece, mut at, mut start) = (Vec::new(), stretch.start, stretch.start);
                loop {
                    piece.clear();
                    let limit = &mut io::Read::take(&mut octets, PIECE_OCTETS_MAX as u64);
                    let read = io::BufRead::read_until(limit, b'\n', &mut piece)? as u64;
                    let part = if read == 0 { splitter.finish() } else { splitter.take(&piece) };
                    if let Some(part) = part {
                        mail(Stretch { start, octets: at - start }, part);
                    }
                    if splitter.has_just_begun() {
                        start = at;
                    }
                    if read == 0 {
                        return Ok(());
                    }
                    at += read;
                }
            }
        }
    }

    /// When it was written, in seconds since 1970: by its name where it is a Maildir's, else by the disk.
    #[must_use]
    pub fn written_at(&self) -> Option<u64> {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let by_name = Some(maildir::time_in(&name)).filter(|seconds| *seconds != u64::MAX);
        let by_disk = || {
            let modified = std::fs::metadata(&self.path).and_then(|about| about.modified()).ok()?;
            modified.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
        };
        by_name.or_else(by_disk)
    }

    /// Whether it holds many mails.
    #[must_use]
    pub const fn is_mbox(&self) -> bool {
        matches!(self.kind, Kind::Mbox)
    }
}

/// Where a mail stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub start: u64,
    pub octets: u64,
}

fn look(path: &Path, in_folder: bool) -> io::Result<MailFile> {
    let file = std::fs::File::open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("is no file"));
    }
    let mut kind = Kind::Mail;
    if !in_folder {
        let mut beginning = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, BEGINNING_OCTETS as u64), &mut beginning)?;
        let named_mbox = path.extension().is_some_and(|end| end.eq_ignore_ascii_case(OsStr::new("mbox")));
        if mbox::is_mbox(&beginning) || (named_mbox && beginning.is_empty()) {
            kind = Kind::Mbox;
        } else if named_mbox {
            return Err(io::Error::other("is no mbox: its first line is not `From SENDER DATE`"));
        }
    }
    Ok(MailFile { path: path.to_owned(), octets: about.len(), kind })
}

/// Hands all mails of the files over, in their order, and waits until each is on disk or refused. `tell` hears of each.
pub async fn import<H: Handover>(files: &[MailFile], import: &Import, handover: H, mut tell: impl FnMut(&Progress)) -> Progress {
    let lane = Lane::new(handover, import.budget.clone());
    let mut run = Run { import, lane, progress: Progress::default(), refusals: 0, tell: &mut tell };
    for file in files {
        if run.is_over() {
            break;
        }
        let before = run.progress.octets;
        let read = match file.kind {
            Kind::Mail => run.mail(&file.path).await,
            Kind::Mbox => match File::open(&file.path).await {
                Ok(opened) => run.mbox(&file.path, BufReader::with_capacity(PIECE_OCTETS_MAX, opened)).await,
                Err(fault) => Err(fault),
            },
        };
        if let Err(fault) = read {
            run.progress.unread.push((file.path.clone(), fault.to_string()));
        }
        if !run.is_over() {
            run.progress.octets = before + file.octets;
        }
    }
    while let Some((_, landing)) = run.lane.settled().await {
        run.note(landing.map(drop).map_err(|fault| fault.to_string()));
    }
    run.progress
}

struct Run<'a, H: Handover> {
    import: &'a Import,
    lane: Lane<H>,
    progress: Progress,
    refusals: u32,
    tell: &'a mut dyn FnMut(&Progress),
}

impl<H: Handover> Run<'_, H> {
    fn is_over(&self) -> bool {
        self.import.stop.is_cancelled() || self.progress.given_up.is_some()
    }

    async fn mail(&mut self, path: &Path) -> io::Result<()> {
        let read = maildir::read(path, self.import.message_octets_max).await?;
        let read = read.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        self.push(path, None, read.raw, read.cut).await;
        Ok(())
    }

    async fn mbox(&mut self, path: &Path, mut file: impl AsyncBufRead + Unpin) -> io::Result<()> {
        let mut splitter = Splitter::new(self.import.message_octets_max, CUT_OCTETS);
        let mut count = 0;
        let mut piece = Vec::new();
        loop {
            piece.clear();
            let read = (&mut file).take(PIECE_OCTETS_MAX as u64).read_until(b'\n', &mut piece).await?;
            self.progress.octets += read as u64;
            let part = if read == 0 { splitter.finish() } else { splitter.take(&piece) };
            if let Some(Part { raw, cut }) = part {
                count += 1;
                self.push(path, Some(count), raw, cut).await;
            }
            if read == 0 || self.is_over() {
                return Ok(());
            }
        }
    }

    async fn push(&mut self, path: &Path, place: Option<u64>, raw: Vec<u8>, cut: Option<u64>) {
        let place = place.map_or_else(String::new, |place| format!(":{place}"));
        let file = format!("{}{place}", one_line(&path.to_string_lossy(), NAME_OCTETS_MAX));
        let source = Source::Maildir { mailbox: self.import.mailbox.clone(), file };
        self.progress.read += 1;
        self.lane.push(Received { source, raw, arrived: None, cut, landed_to: None }).await;
        while let Some((_, landing)) = self.lane.settled_now() {
            self.note(landing.map(drop).map_err(|fault| fault.to_string()));
        }
    }

    fn note(&mut self, landing: Result<(), String>) {
        match landing {
            Ok(()) => {
                self.refusals = 0;
                self.progress.landed += 1;
            }
            Err(why) => {
                self.refusals += 1;
                self.progress.failed += 1;
                if self.refusals >= REFUSALS_IN_A_ROW_MAX {
                    self.progress.given_up.get_or_insert(why);
                }
            }
        }
        (self.tell)(&self.progress);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::imap::tests::desk::Desk;

    fn setting(message_octets_max: u64) -> Import {
        Import { mailbox: "support".into(), message_octets_max, budget: Budget::new(1 << 20), stop: CancellationToken::new() }
    }

    #[tokio::test]
    async fn every_sort_of_path_gives_its_mails_in_order_and_names_what_it_cannot_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["m/new", "m/cur", "m/tmp", "e", "empty"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        for (file, text) in [
            ("a.mbox", "From x@y 00:00\na1\n\nFrom x@y 00:00\na2\n"),
            ("m/new/20.x", "m2"),
            ("m/cur/10.x:2,S", "m1"),
            ("m/tmp/5.x", "half"),
            ("e/2.eml", "e2"),
            ("e/1.EML", "e1"),
            ("e/notes.txt", "no"),
            ("one.eml", "o"),
            ("no.mbox", "no"),
        ] {
            std::fs::write(at(file), text).unwrap();
        }
        let paths: Vec<PathBuf> = ["a.mbox", "m", "e", "one.eml", "no.mbox", "empty", "missing"].map(at).into();
        let (files, unread) = find(&paths);
        let named: Vec<_> = unread.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(named, ["no.mbox", "empty", "missing"].map(at));
        let desk = Desk::new();
        let mut told = 0;
        let done = import(&files, &setting(1000), desk.clone(), |_| told += 1).await;
        assert_eq!(desk.accepted(), ["a1\n", "a2\n", "m1", "m2", "e1", "e2", "o"]);
        let octets = files.iter().map(|file| file.octets).sum();
        assert_eq!(done, Progress { read: 7, landed: 7, octets, ..Progress::default() });
        assert_eq!(told, 7);
    }

    #[tokio::test]
    async fn a_refusal_is_counted_and_a_desk_that_takes_nothing_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mbox");
        std::fs::write(&path, "From x@y 00:00\nrefuse\n\nFrom x@y 00:00\na\n").unwrap();
        let done = import(&find(std::slice::from_ref(&path)).0, &setting(1000), Desk::new(), |_| {}).await;
        assert_eq!((done.read, done.landed, done.failed, done.given_up), (2, 1, 1, None));
        std::fs::write(&path, "From x@y 00:00\nrefuse\n\n".repeat(2000)).unwrap();
        let done = import(&find(&[path]).0, &setting(1000), Desk::new(), |_| {}).await;
        assert!(done.given_up.is_some() && done.read < 2000, "{done:?}");
    }

    #[tokio::test]
    async fn a_stop_ends_it_after_what_is_on_its_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mbox");
        std::fs::write(&path, "From x@y 00:00\na\n\n".repeat(2000)).unwrap();
        let setting = setting(1000);
        let stop = setting.stop.clone();
        let done = import(&find(&[path]).0, &setting, Desk::new(), |_| stop.cancel()).await;
        assert!(done.read < 2000 && done.landed == done.read, "{done:?}");
    }
}
