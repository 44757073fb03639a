//! Secrets of the installation: `STATE/<name>.key`, 32 octets that nobody but the daemon reads.

use super::blobs::sync_directory;
use super::fault::StoreFault;
use rand::TryRng;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const OCTETS: usize = 32;

/// Reads a secret, or makes it; on disk before it is used for the first time, since what is signed with it goes out.
pub(super) fn read_or_make(dir: &Path, name: &str, one_at_a_time: &Mutex<()>) -> Result<[u8; OCTETS], StoreFault> {
    let _alone = one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_') {
        return Err(StoreFault::Unsound("a secret's name has other characters than a-z, 0-9, - and _"));
    }
    let path = dir.join(format!("{name}.key"));
    match std::fs::read(&path) {
        Ok(found) => found
            .try_into()
            .map_err(|_| StoreFault::Damaged { kind: "secret", detail: format!("{name}.key does not have {OCTETS} octets") }),
        Err(fault) if fault.kind() == ErrorKind::NotFound => make(dir, &path).map_err(|fault| StoreFault::io("making a secret", &fault)),
        Err(fault) => Err(StoreFault::io("reading a secret", &fault)),
    }
}

fn make(dir: &Path, path: &Path) -> io::Result<[u8; OCTETS]> {
    let mut secret = [0; OCTETS];
    rand::rngs::SysRng.try_fill_bytes(&mut secret).map_err(io::Error::other)?;
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_directory(dir)?;
    Ok(secret)
}
