//! `guichet replay`.

use super::{Ended, complain, say};
use crate::config::settings::Settings;
use crate::http::api;
use crate::http::client::{self, ClientFault, percent_encoded};
use crate::replay::archive::{Archive, Span};
use crate::replay::compare::{Comparison, Outcome};
use crate::replay::stored::{self, Frames, Told};
use crate::replay::{Feed, Replay};
use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Order {
    /// From when on: a day (2026-01-31), a day and a time, or so many days ago (365d). What began before is left out.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Moment,
    /// Until when; until now by default.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
    /// The configuration in force, with which --config is compared; its state directory holds the store.
    #[arg(long, env = "GUICHET_CONFIG", default_value = "/etc/guichet", value_name = "PATH")]
    against: PathBuf,
    /// The mailbox that archived mail counts as having come to; by default the one that it is addressed to.
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    /// Maildirs, mbox files, folders of .eml files with what was received and what was answered; or `store`: what the desk itself has.
    #[arg(default_value = "store", value_name = "MAILDIR|MBOX|store")]
    sources: Vec<PathBuf>,
}

/// A time as it is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    At(DateTime),
    DaysAgo(i64),
}

impl Moment {
    /// On the desk's wall.
    fn timestamp(self, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, Ended> {
        let at = match self {
            Self::At(time) => time.to_zoned(zone.clone()).map(|zoned| zoned.timestamp()),
            Self::DaysAgo(days) => now.checked_sub(jiff::SignedDuration::from_hours(days.saturating_mul(24))),
        };
        at.map_err(|_| Ended::Wrong(vec!["guichet: --since, --until: such a time does not come; write 2026-01-31, or 365d".to_owned()]))
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
        return Ok(Moment::DaysAgo(days.into()));
    }
    let day = || text.parse::<Date>().map(|day| day.at(0, 0, 0, 0)).ok();
    let time = text.parse::<DateTime>().ok().or_else(day);
    time.map(Moment::At).ok_or_else(|| "is no time: write 2026-01-31, 2026-01-31T08:00, or 365d for so many days ago".to_owned())
}

pub(super) fn replay(config: &Path, order: &Order) -> Result<(), Ended> {
    let other = super::settings(config)?;
    let in_force = super::settings(&order.against)?;
    let zone = crate::domain::ops::zone(&in_force.policy);
    let now = crate::clock::Clock::system().now();
    let until = order.until.map_or(Ok(now), |until| until.timestamp(now, &zone))?;
    let span = Span { since: order.since.timestamp(now, &zone)?, until };
    if span.since >= span.until {
        return Err(Ended::Wrong(vec!["guichet: --since: lies behind --until, or in the future".to_owned()]));
    }
    if same(config, &order.against) {
        complain("guichet: both configurations are the same: name the other one with --config");
    }
    for (settings, which) in [(&in_force, "--against"), (&other, "--config")] {
        if settings.look_up.is_some() {
            complain(&format!("guichet: {which}: the look-up of customers is not asked about the past: its file answers alone"));
        }
    }
    let replay = Replay::new(Arc::clone(&in_force.policy), Arc::clone(&other.policy), span.until);
    let is_store = |source: &PathBuf| source.as_os_str() == "store";
    let outcomes = if order.sources.iter().any(is_store) {
        if order.sources.len() > 1 {
            return Err(Ended::Wrong(vec!["guichet: `store` stands for itself: name it without any other source".to_owned()]));
        }
        replay.run(|feed| of_store(&in_force, span, feed))?
    } else {
        of_archive(order, &replay, &in_force, span)?
    };
    if outcomes.iter().all(|outcome| outcome.fates.is_empty()) {
        return Err(Ended::Failed(anyhow!("nothing was said between {} and {}", span.since, span.until)));
    }
    let comparison = Comparison::of(&outcomes);
    if order.json {
        say(&serde_json::to_string(&comparison)?);
    } else {
        say(&comparison.text([&order.against.display().to_string(), &config.display().to_string()]));
    }
    Ok(())
}

fn same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

fn of_archive(order: &Order, replay: &Replay, in_force: &Settings, span: Span) -> Result<[Outcome; 2], Ended> {
    let mailbox = order.mailbox.as_deref();
    if let Some(name) = mailbox.filter(|name| in_force.policy.mailbox_named(name).is_none()) {
        let known: Vec<&str> = in_force.policy.mailboxes.iter().map(|mailbox| mailbox.name.as_str()).collect();
        let known = known.join(", ");
        return Err(Ended::Wrong(vec![format!("guichet: --mailbox: there is no mailbox {name:?}; there are: {known}")]));
    }
    let octets_max = in_force.limits.message_octets_max;
    let looking = Progress::new("{bar:40} {bytes}/{total_bytes}  looking through it  {eta} left");
    let mut archive = Archive::find(&order.sources, span, octets_max, |done, total| looking.tell(done, total));
    looking.ends();
    let telling = Progress::new("{bar:40} {pos}/{len} messages  {eta} left");
    let total = archive.len() as u64;
    let outcomes = replay.run(|feed| {
        let mut count = 0;
        archive.each(mailbox, octets_max, |item| {
            feed.take(item);
            count += 1;
            telling.tell(count, total);
        });
        Ok::<_, Ended>(())
    });
    telling.ends();
    for (path, why) in &archive.unread {
        complain(&super::import::unread_line(path, why));
    }
    for (count, why) in [
        (archive.undated, "have no time and are left out"),
        (archive.outside, "are outside of the span, or of threads that began before it"),
    ] {
        if count > 0 {
            complain(&format!("guichet: {count} mails {why}"));
        }
    }
    outcomes
}

/// From the running daemon if there is one, else from the store itself.
fn of_store(settings: &Settings, span: Span, feed: &mut Feed<'_>) -> Result<(), Ended> {
    let progress = Progress::new("{bar:40} {pos}/{len} messages  {eta} left");
    let (mut count, mut total) = (0, 0);
    let mut hear = |told| match told {
        Told::Count(all) => total = all,
        Told::Item(item) => {
            feed.take(*item);
            count += 1;
            progress.tell(count, total);
        }
        Told::End => {}
    };
    let socket = settings.state_dir.join(crate::CONTROL_SOCKET);
    let since = percent_encoded(&span.since.to_string());
    let path = format!("{}?since={since}&until={}", api::PAST, percent_encoded(&span.until.to_string()));
    let mut frames = Frames::new(&mut hear);
    let runtime = super::runtime()?;
    let done = match runtime.block_on(client::get_into(&socket, &path, &mut frames)) {
        Ok(200) if frames.has_ended() => Ok(()),
        Ok(200) => Err(Ended::Failed(anyhow!("the daemon broke off: its log says why"))),
        Ok(status) => Err(Ended::Failed(anyhow!("the daemon answered {status}"))),
        Err(ClientFault::NotRunning) => runtime.block_on(async {
            let (desk, _) = crate::open_desk(settings)?;
            let done = stored::each(desk.store(), span, |told| {
                hear(told);
                true
            });
            desk.store().close().await;
            Ok(done?)
        }),
        Err(fault) => Err(Ended::Failed(anyhow!(fault).context("failed to ask the daemon"))),
    };
    progress.ends();
    done
}

/// A bar on a terminal; nothing elsewhere, where only the answer counts.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn new(template: &str) -> Self {
        let style = ProgressStyle::with_template(template).ok().filter(|_| std::io::stderr().is_terminal());
        Self(style.map(|style| ProgressBar::no_length().with_style(style)))
    }

    fn tell(&self, done: u64, total: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    fn ends(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
