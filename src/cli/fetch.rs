//! `guichet fetch TICKET MESSAGE`: all of a mail of which only the start came.
//!
//! The mail server is asked from here, over a connection of its own, so that it costs the daemon nothing until all of the
//! mail is here; then the daemon, or where none runs the store, makes it part of its ticket.

use super::ask::Place;
use super::{Ended, ask, say};
use crate::channel::imap::{self, Wanted};
use crate::channel::{maildir, spool};
use crate::config::settings::{MailboxSettings, MailboxSource, Settings};
use crate::domain::message::TicketNumber;
use crate::http::api;
use crate::view::{self, MadeWholeView, OriginView};
use anyhow::{Context as _, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read as _, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

pub(super) fn fetch(config: &Path, message: (u64, u32), output: Option<&Path>, json: bool) -> Result<(), Ended> {
    let place = Place::with(config, super::settings(config)?);
    let settings = place.settings()?;
    let (number, seq) = message;
    let base = format!("/api/v1/tickets/{number}/messages/{seq}");
    let none = || Ended::Failed(anyhow!("there is no message {seq} in #{number}"));
    let origin: Option<OriginView> = ask::ask(&place, &format!("{base}/origin"), |desk, _| Ok(api::origin_of(desk, number, seq)?))?;
    let origin = origin.ok_or_else(none)?;
    if !origin.is_cut && output.is_none() {
        return Err(Ended::Failed(anyhow!("all of message {seq} of #{number} is here already; `--output FILE` saves it")));
    }
    let limit = settings.limits.fetch_octets_max;
    if output.is_none()
        && let Some(octets) = origin.cut.filter(|octets| *octets > limit)
    {
        return Err(Ended::Failed(anyhow!(
            "it has {octets} octets, more than fetch_octets_max ({limit}) lets into a ticket; `--output FILE` saves it"
        )));
    }
    let kept = ask::octets(&place, &format!("{base}/raw"), async |desk| Ok(desk.message_raw(TicketNumber(number), seq).await?))?;
    let kept = kept.ok_or_else(none)?;

    let target = Target::open(output)?;
    let octets = if origin.is_cut {
        find(settings, &origin, &kept, &target.file)?
    } else {
        io::copy(&mut kept.as_slice(), &mut &target.file).context("failed to write the mail to a file")?
    };
    if let Some(path) = output {
        target.keep(path)?;
        say(&if json {
            serde_json::json!({ "ticket": number, "seq": seq, "octets": octets, "file": path }).to_string()
        } else {
            view::for_terminal(&format!("{octets} octets in {}", path.display()))
        });
        return Ok(());
    }
    let raw = spool::read_all(&target.file, octets).context("failed to read the mail back")?;
    let made = ask::hand_over(&place, &format!("{base}/whole"), raw, async |desk| {
        let raw = spool::read_all(&target.file, octets)?;
        Ok(Some(view::of_made_whole(&desk.make_whole(TicketNumber(number), seq, raw).await?)))
    })?;
    let made: MadeWholeView = made.ok_or_else(none)?;
    say(&if json {
        serde_json::to_string(&made)?
    } else {
        format!("message {seq} of #{number} is whole: {} octets, {} attachments", made.octets, made.attachments.len())
    });
    Ok(())
}

/// Where the mail is written: a file without a name, or one that gets its name once it is whole.
struct Target {
    file: File,
    part: Option<PathBuf>,
}

impl Target {
    fn open(output: Option<&Path>) -> Result<Self, Ended> {
        let Some(path) = output else {
            let file = spool::unnamed(&std::env::temp_dir()).context("failed to make a temporary file")?;
            return Ok(Self { file, part: None });
        };
        if path.try_exists().unwrap_or(true) {
            return Err(Ended::Failed(anyhow!("{} is there already", path.display())));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        // What an attempt left that was interrupted is begun anew. Mail is nobody else's business.
        let file = File::options().read(true).write(true).create(true).truncate(true).mode(0o600).open(&part);
        let file = file.with_context(|| format!("failed to open {}", part.display()))?;
        Ok(Self { file, part: Some(part) })
    }

    fn keep(&self, path: &Path) -> Result<(), Ended> {
        self.file.sync_all().context("failed to write the mail to a file")?;
        if let Some(part) = &self.part {
            fs::rename(part, path).with_context(|| format!("failed to name {}", path.display()))?;
        }
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Renamed by now, or only a part.
        if let Some(part) = &self.part {
            let _ = fs::remove_file(part);
        }
    }
}

/// Tries each mailbox that the message came through; the first that still has it gives it.
fn find(settings: &Settings, origin: &OriginView, kept: &[u8], file: &File) -> Result<u64, Ended> {
    let mut names: Vec<&str> = Vec::new();
    let mut known = BTreeSet::new();
    // What came in before routes were kept is looked for in its ticket's mailbox.
    for name in origin.routes.iter().map(|route| route.mailbox.as_str()).chain([origin.mailbox.as_str()]) {
        if known.insert(name) {
            names.push(name);
        }
    }
    let mut reasons = Vec::new();
    for name in names {
        let Some(mailbox) = settings.mailboxes.iter().find(|mailbox| mailbox.name == name) else { continue };
        match from(mailbox, origin, kept, file) {
            Ok(octets) => return Ok(octets),
            Err(fault) => reasons.push(format!("mailbox {name}: {fault:#}")),
        }
    }
    if reasons.is_empty() {
        reasons.push("no mailbox that it came through is in the configuration any more".to_owned());
    }
    Err(Ended::Failed(anyhow!("{}", reasons.join("; "))))
}

fn from(mailbox: &MailboxSettings, origin: &OriginView, kept: &[u8], file: &File) -> anyhow::Result<u64> {
    let of_here = origin.routes.iter().filter(|route| route.mailbox == mailbox.name);
    match &mailbox.source {
        MailboxSource::Imap(account) => {
            let places: Vec<(u32, u32)> = of_here.filter_map(|route| route.uid_validity.zip(route.uid)).collect();
            let message_id = origin.message_id.as_deref();
            let wanted = Wanted { places: &places, message_id, octets: origin.cut, start: kept };
            let bar = bar(origin.cut.unwrap_or(0));
            let fetched = super::runtime()?.block_on(imap::fetch_whole(account, wanted, file, |there, all| {
                if let Some(bar) = &bar {
                    bar.set_length(all);
                    bar.set_position(there);
                }
            }));
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
            Ok(fetched?)
        }
        MailboxSource::Maildir(folder) => {
            for name in of_here.filter_map(|route| route.file.as_deref()) {
                let Some(path) = maildir::find(folder, name)? else { continue };
                let mut mail = File::open(path)?;
                let mut start = vec![0; kept.len()];
                if mail.read_exact(&mut start).is_ok() && start == kept {
                    mail.rewind()?;
                    return Ok(io::copy(&mut mail, &mut &*file)?);
                }
            }
            Err(anyhow!("the mail is not in {} any more", folder.display()))
        }
    }
}

/// On a terminal only.
fn bar(octets: u64) -> Option<ProgressBar> {
    let bar = io::stderr().is_terminal().then(|| ProgressBar::new(octets))?;
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left") {
        bar.set_style(style);
    }
    Some(bar)
}
