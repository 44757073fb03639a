//! All of one mail, fetched later because a person asks for it (`guichet fetch`), over a connection of its own.
//!
//! It is looked for where it was taken in; if it is not there any more, in its folder and in the one that settled mail is
//! moved to, by its Message-ID, or by its size where it has none. Found is only what begins with the very octets that are
//! kept of it.

use super::Fault;
use super::answer::Answer;
use super::commands::{Reply, Wire, quoted, uid_sets};
use super::connect;
use super::pieces::{PIECE_OCTETS, Pieces, Step};
use super::session::select;
use super::sign_in::Keys;
use crate::channel::spool;
use crate::config::settings::{After, ImapAccount};
use std::fs::File;
use std::io;
use std::sync::Arc;

/// Mails of one Message-ID, or of one size, that are looked at.
const CANDIDATES_MAX: usize = 16;

/// Which mail is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// UIDVALIDITY and UID of where it was taken in.
    pub places: &'a [(u32, u32)],
    /// Without angle brackets.
    pub message_id: Option<&'a str>,
    /// Its size, as its server claimed it.
    pub octets: Option<u64>,
    /// The octets that are kept of it.
    pub start: &'a [u8],
}

/// Why it could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LaterFault {
    #[error("the mail is not in {0} any more")]
    Gone(String),
    /// The server answers what cannot be right.
    #[error("the server does not give all of it: {0}")]
    Misfit(&'static str),
    #[error("failed to write the mail to a file: {0}")]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Server(#[from] Fault),
}

/// Fetches all of it into `file`; says how much that was. `progress` is told what is there and what is to come.
///
/// # Errors
/// Why it could not be had. Nothing is changed at the server; asking again begins anew.
pub async fn fetch_whole(
    account: &ImapAccount,
    wanted: Wanted<'_>,
    file: &File,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, LaterFault> {
    // A server that ignores pieces sends all of it at once.
    let literal_octets_max = wanted.octets.unwrap_or(0).saturating_mul(2).max(2 * u64::from(PIECE_OCTETS));
    let mut keys = Keys::of(&account.sign_in);
    let (mut wire, _) = connect::open(account, &mut keys, literal_octets_max).await?;
    let moved_to = match &account.after {
        After::Move(folder) => Some(folder.as_str()),
        After::Flag | After::Keep | After::Delete => None,
    };
    let mut looked_in = Vec::new();
    for folder in std::iter::once(account.folder.as_str()).chain(moved_to) {
        wire.folder = super::commands::Folder::default();
        match select(&mut wire, folder).await {
            Err(Fault::Refused { .. }) => continue,
            selected => selected?,
        };
        looked_in.push(folder);
        let here = wire.folder.uid_validity;
        let known = wanted.places.iter().filter(|(validity, _)| folder == account.folder && *validity == here).map(|(_, uid)| *uid);
        let mut candidates: Vec<u32> = known.collect();
        for uid in found(&mut wire, wanted).await? {
            if !candidates.contains(&uid) {
                candidates.push(uid);
            }
        }
        candidates.truncate(CANDIDATES_MAX);
        for (uid, size) in sizes(&mut wire, &candidates).await? {
            if let Some(octets) = fetch(&mut wire, uid, size, wanted.start, file, &mut progress).await? {
                let _ = wire.run("LOGOUT", |_| {}).await;
                return Ok(octets);
            }
        }
    }
    Err(LaterFault::Gone(looked_in.join(" and ")))
}

/// UIDs of mails in the open folder that may be it.
async fn found(wire: &mut Wire, wanted: Wanted<'_>) -> Result<Vec<u32>, Fault> {
    let quotable = |id: &&str| id.bytes().all(|octet| octet.is_ascii_graphic());
    let criteria = match (wanted.message_id.filter(quotable), wanted.octets) {
        (Some(id), _) => format!("HEADER Message-ID {}", quoted(id)),
        (None, Some(octets)) => format!("LARGER {} SMALLER {}", octets.saturating_sub(1), octets.saturating_add(1)),
        (None, None) => return Ok(Vec::new()),
    };
    let mut uids = Vec::new();
    let command = format!("UID SEARCH {criteria}");
    let searched = wire.run(&command, |answer| {
        if let Answer::Search(found) = answer {
            uids.extend(found);
        }
    });
    match searched.await {
        // What cannot be searched may still be where it was.
        Ok(()) | Err(Fault::Refused { .. }) => Ok(uids),
        Err(fault) => Err(fault),
    }
}

/// Those that are there, with their sizes, in the order in which they were asked for.
async fn sizes(wire: &mut Wire, uids: &[u32]) -> Result<Vec<(u32, u32)>, Fault> {
    let mut ascending = uids.to_vec();
    ascending.sort_unstable();
    let mut sizes = Vec::new();
    for (set, _) in uid_sets(&ascending) {
        wire.run(&format!("UID FETCH {set} (UID RFC822.SIZE)"), |answer| {
            if let Answer::Fetch(item) = answer {
                sizes.extend(item.size.map(|size| (item.uid, size)));
            }
        })
        .await?;
    }
    sizes.sort_by_key(|(uid, _)| uids.iter().position(|wanted| wanted == uid));
    Ok(sizes)
}

/// All of one mail, if it is the one; `None`: it is another, or is gone.
async fn fetch(
    wire: &mut Wire,
    uid: u32,
    size: u32,
    start: &[u8],
    file: &File,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Option<u64>, LaterFault> {
    file.set_len(0)?;
    let mut pieces = Pieces::new(wire.folder.uid_validity, uid, size, file.try_clone()?);
    let mut is_another = false;
    loop {
        let step = pieces.step(wire, |offset, piece| {
            is_another = !agrees(start, offset, piece);
            !is_another
        });
        match step.await? {
            Step::More => progress(pieces.offset.into(), size.into()),
            Step::Complete if u64::from(size) >= start.len() as u64 => return Ok(Some(size.into())),
            Step::Complete | Step::Absent => return Ok(None),
            Step::Misfit(_) if is_another => return Ok(None),
            Step::Misfit(why) => {
                tracing::warn!(uid, why, "not to be had in pieces: asked for whole");
                return at_once(wire, uid, start, file).await;
            }
            Step::Disk(fault) => return Err(fault.into()),
        }
    }
}

async fn at_once(wire: &mut Wire, uid: u32, start: &[u8], file: &File) -> Result<Option<u64>, LaterFault> {
    let tag = wire.send(&format!("UID FETCH {uid} (UID BODY.PEEK[])")).await?;
    let mut mail = None;
    loop {
        match wire.next(&tag).await? {
            Reply::Done => break,
            Reply::Continue(_) => return Err(LaterFault::Misfit("it waits for more than there is")),
            Reply::Data(Answer::Fetch(item)) if item.uid == uid => mail = item.body.or(mail),
            Reply::Data(_) => {}
        }
    }
    let Some(mail) = mail else { return Ok(None) };
    if !mail.starts_with(start) {
        return Ok(None);
    }
    let octets = mail.len() as u64;
    file.set_len(0)?;
    spool::write_at(&Arc::new(file.try_clone()?), 0, mail).await?;
    Ok(Some(octets))
}

/// Whether a piece is the same as what is kept, as far as both go.
fn agrees(start: &[u8], offset: u32, piece: &[u8]) -> bool {
    let kept = usize::try_from(offset).ok().and_then(|offset| start.get(offset..)).unwrap_or_default();
    kept.iter().zip(piece).all(|(kept, octet)| kept == octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_compared_as_far_as_it_goes() {
        #[rustfmt::skip]
        let cases: [(&str, u32, &str, bool, &str); 5] = [
            ("abcd", 0, "ab", true, "a part of it"),
            ("abcd", 2, "cdef", true, "past its end"),
            ("abcd", 9, "x", true, "nothing is kept there"),
            ("abcd", 0, "abx", false, "another"),
            ("abcd", 1, "ab", false, "at another place"),
        ];
        for (start, offset, piece, same, why) in cases {
            assert_eq!(agrees(start.as_bytes(), offset, piece.as_bytes()), same, "{why}");
        }
    }
}
