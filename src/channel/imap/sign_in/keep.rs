//! A refresh token and its successors.
//!
//! An endpoint may answer a refresh token with another one, and from then on take only that (RFC 6749 section 6). Losing it
//! means that somebody has to consent again, so:
//! - The new one is on disk before its access token is used: in the place of the old one, or, where that cannot be written
//!   (a credential of systemd, another user's file), in the state directory.
//! - What lies in the state directory counts only as the successor of what the configured file holds: whoever puts another
//!   token into that file is heard.
//! - Mailboxes that share the file (folders of one account), and `guichet doctor` beside the daemon, go one after the other:
//!   the file of the lock lies in the state directory, which also shows, before the old token is spent, that there is a
//!   place for the new one.

use super::TokenFault;
use super::tokens::one_token;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::sleep;

/// Between two looks whether the lock is free.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A token, and what is told of the one before it.
const KEPT_OCTETS_MAX: u64 = 130 * 1024;

/// A refresh token that nobody else spends while this lives.
#[derive(Debug)]
pub(super) struct Held {
    /// As configured, without symbolic links, so that what they point to is replaced.
    file: PathBuf,
    dir: PathBuf,
    kept: PathBuf,
    _lock: File,
}

/// The successor of a token that could not be replaced in its own file.
#[derive(Deserialize, Serialize)]
struct Kept {
    /// The BLAKE3 hash of the token that the configured file held.
    instead_of: String,
    refresh_token: String,
}

impl Held {
    /// Waits for its turn; the caller sets the limit.
    pub(super) async fn take(file: &Path, dir: &Path) -> Result<Self, TokenFault> {
        let fault = |fault: io::Error| TokenFault::Keep { dir: dir.to_owned(), why: fault.to_string() };
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let name = name_of(&file);
        let kept = dir.join(format!("{name}.json"));
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fault)?;
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(dir.join(format!("{name}.lock"))).map_err(fault)?;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { file, dir: dir.to_owned(), kept, _lock: lock }),
                Err(TryLockError::WouldBlock) => sleep(LOOK_EVERY).await,
                Err(TryLockError::Error(why)) => return Err(fault(why)),
            }
        }
    }

    /// The token that is good now.
    pub(super) fn read(&self) -> Result<SecretString, TokenFault> {
        let fault = |fault: io::Error| TokenFault::File { file: self.file.clone(), why: fault.to_string() };
        let configured = one_token(&read(&self.file).map_err(fault)?, "what refresh_token_file holds")?;
        let successor = read(&self.kept).ok().and_then(|octets| serde_json::from_slice::<Kept>(&octets).ok());
        Ok(match successor {
            Some(kept) if kept.instead_of == hash(&configured) => SecretString::from(kept.refresh_token),
            Some(_) | None => configured,
        })
    }

    /// Puts its successor where [`Self::read`] finds it, on disk when this returns.
    pub(super) fn replace(&self, successor: &SecretString) -> Result<(), TokenFault> {
        let text = successor.expose_secret();
        let own = self.file.parent().map(|dir| write(dir, &self.file, format!("{text}\n").as_bytes()));
        if matches!(own, Some(Ok(()))) {
            // It would only be in the way if the old token came back into the file.
            let _ = fs::remove_file(&self.kept);
            return Ok(());
        }
        let in_state = || {
            let configured = read(&self.file).ok().and_then(|octets| one_token(&octets, "").ok());
            let configured = configured.ok_or_else(|| io::Error::other("refresh_token_file is gone"))?;
            let kept = serde_json::to_vec(&Kept { instead_of: hash(&configured), refresh_token: text.to_owned() })?;
            write(&self.dir, &self.kept, &kept)
        };
        in_state().map_err(|fault: io::Error| TokenFault::Keep { dir: self.dir.clone(), why: fault.to_string() })
    }
}

/// After the file, not after a mailbox: several may share it.
fn name_of(file: &Path) -> String {
    let name: String = file.file_name().unwrap_or_default().to_string_lossy().chars().take(40).collect();
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'), "_");
    let hash = blake3::hash(file.as_os_str().as_encoded_bytes()).to_hex();
    format!("{}-{}", name.trim_start_matches('.'), &hash[..16])
}

fn hash(token: &SecretString) -> String {
    blake3::hash(token.expose_secret().as_bytes()).to_hex().to_string()
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(file)?.take(KEPT_OCTETS_MAX).read_to_end(&mut octets)?;
    Ok(octets)
}

/// All of it or nothing, for this user alone, on disk.
fn write(dir: &Path, file: &Path, octets: &[u8]) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(".new");
    let temporary = dir.join(name);
    // One that a crash left behind may have other rights.
    match fs::remove_file(&temporary) {
        Err(fault) if fault.kind() != ErrorKind::NotFound => return Err(fault),
        Ok(()) | Err(_) => {}
    }
    let mut new = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
    let written = new.write_all(octets).and_then(|()| new.sync_all()).and_then(|()| fs::rename(&temporary, file));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    async fn now(file: &Path, dir: &Path) -> String {
        Held::take(file, dir).await.unwrap().read().unwrap().expose_secret().to_owned()
    }

    #[tokio::test]
    async fn a_successor_takes_the_place_of_the_old_one() {
        let scratch = tempfile::tempdir().unwrap();
        let (real, file, dir) = (scratch.path().join("real"), scratch.path().join("refresh"), scratch.path().join("state/oauth"));
        fs::write(&real, "first\n").unwrap();
        std::os::unix::fs::symlink(&real, &file).unwrap();
        let held = Held::take(&file, &dir).await.unwrap();
        assert_eq!(held.read().unwrap().expose_secret(), "first");
        held.replace(&secret("second")).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "second\n", "what the link points to");
        assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(held.read().unwrap().expose_secret(), "second");
        assert!(!format!("{held:?}").contains("second"));
    }

    /// A place that cannot be written is one that is no directory of files: so it is for root, too.
    #[tokio::test]
    async fn where_the_file_cannot_be_written_the_state_directory_keeps_it_until_the_file_holds_another() {
        let scratch = tempfile::tempdir().unwrap();
        let (file, dir) = (scratch.path().join("refresh"), scratch.path().join("oauth"));
        fs::write(&file, "first").unwrap();
        // In the way of the temporary file.
        fs::create_dir(scratch.path().join(".refresh.new")).unwrap();
        let held = Held::take(&file, &dir).await.unwrap();
        held.replace(&secret("second")).unwrap();
        held.replace(&secret("third")).unwrap();
        drop(held);
        assert_eq!(fs::read_to_string(&file).unwrap(), "first", "it was not touched");
        assert_eq!(now(&file, &dir).await, "third", "the last of its successors");
        let kept = fs::read_dir(&dir).unwrap().flatten().find(|entry| entry.path().extension().is_some_and(|end| end == "json")).unwrap();
        assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&file, "another").unwrap();
        assert_eq!(now(&file, &dir).await, "another", "a person has put it there");
        fs::write(&file, "first").unwrap();
        fs::remove_dir(scratch.path().join(".refresh.new")).unwrap();
        Held::take(&file, &dir).await.unwrap().replace(&secret("fourth")).unwrap();
        assert_eq!(now(&file, &dir).await, "fourth", "now it can be written");
        fs::write(&file, "first").unwrap();
        assert_eq!(now(&file, &dir).await, "first", "no successor is left behind");
    }

    #[tokio::test]
    async fn one_after_the_other() {
        let scratch = tempfile::tempdir().unwrap();
        let (file, dir) = (scratch.path().join("refresh"), scratch.path().join("oauth"));
        fs::write(&file, "first").unwrap();
        let held = Held::take(&file, &dir).await.unwrap();
        let other = tokio::time::timeout(Duration::from_millis(120), Held::take(&file, &dir)).await;
        assert!(other.is_err(), "it waits");
        held.replace(&secret("second")).unwrap();
        drop(held);
        assert_eq!(now(&file, &dir).await, "second", "and finds what the first has left");
    }

    #[tokio::test]
    async fn without_a_place_for_the_successor_nothing_is_spent() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("oauth"), "a file where the directory should be").unwrap();
        let held = Held::take(&scratch.path().join("refresh"), &scratch.path().join("oauth")).await;
        assert!(matches!(held, Err(TokenFault::Keep { .. })), "{held:?}");
    }
}
