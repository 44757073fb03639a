//! `guichet tickets`.

use super::ask::Place;
use super::{Ended, complain};
use crate::domain::ticket::Status;
use crate::http::api::{self, Filter};
use crate::http::client::{self, ClientFault, percent_encoded};
use crate::view::TicketView;
use anyhow::anyhow;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};
use std::path::Path;

/// How many are listed on a terminal where nothing else is said; a pipe gets all.
const ON_TERMINAL: usize = 100;

pub(super) fn tickets(config: &Path, mut filter: Filter, json: bool) -> Result<(), Ended> {
    let place = Place::of(config)?;
    let shown = match filter.limit {
        None => io::stdout().is_terminal().then_some(ON_TERMINAL),
        Some(0) => None,
        Some(limit) => Some(limit),
    };
    // One more, to see whether there is more.
    filter.limit = shown.map(|shown| shown.saturating_add(1));
    let mut list = List::new(shown.unwrap_or(usize::MAX), json);
    let runtime = super::runtime()?;
    let answer = match runtime.block_on(client::get_into(&place.socket(), &path_of(&filter), &mut list)) {
        Err(ClientFault::NotRunning) => {
            let (desk, _) = crate::open_desk(place.settings()?)?;
            let told = api::each(&desk, &filter, |ticket| list.tell(&ticket).is_ok());
            runtime.block_on(desk.store().close());
            Ok(told?)
        }
        Ok(200) => {
            place.warn();
            Ok(())
        }
        Ok(status) => Err(Ended::Failed(anyhow!("the daemon answered {status}: its log says why"))),
        Err(fault) => Err(Ended::Failed(anyhow!(fault).context("failed to ask the daemon"))),
    };
    // A reader who has gone away is no fault.
    if list.is_unread { Ok(()) } else { answer.and_then(|()| list.ends()) }
}

fn path_of(filter: &Filter) -> String {
    let limit = filter.limit.map(|limit| limit.to_string());
    let query: Vec<String> = [("status", &filter.status), ("team", &filter.team), ("tier", &filter.tier), ("limit", &limit)]
        .into_iter()
        .filter_map(|(key, value)| value.as_ref().map(|v| format!("{key}={}", percent_encoded(v))))
        .collect();
    format!("/api/v1/tickets?{}", query.join("&"))
}

/// Prints tickets as they come: whole ones, or their lines of JSON in pieces as the daemon sends them.
struct List {
    out: BufWriter<StdoutLock<'static>>,
    json: bool,
    /// How many more are printed.
    left: usize,
    /// How many were printed, and whether there are more.
    printed: usize,
    has_more: bool,
    /// The start of a line whose end has not come.
    begun: Vec<u8>,
    is_unread: bool,
}

impl List {
    fn new(limit: usize, json: bool) -> Self {
        let out = BufWriter::new(io::stdout().lock());
        Self { out, json, left: limit, printed: 0, has_more: false, begun: Vec::new(), is_unread: false }
    }

    fn tell(&mut self, ticket: &TicketView) -> io::Result<()> {
        let line = if self.json { serde_json::to_string(ticket)? } else { ticket.line() };
        self.print(&line)
    }

    fn tell_json(&mut self, line: &[u8]) -> io::Result<()> {
        if self.json {
            return self.print(&String::from_utf8_lossy(line));
        }
        self.tell(&serde_json::from_slice(line)?)
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        if self.left == 0 {
            self.has_more = true;
            return Ok(());
        }
        let head = ["number", "status", "priority", "tier", "team", "assignee", "requester"];
        let written = if self.printed == 0 && !self.json {
            let [number, status, priority, tier, team, assignee, requester] = head;
            let head =
                format!("{number:<7} {status:<8} {priority:<9} {tier:<10} {team:<12} {assignee:<10} {requester:<20} subject  [next]");
            writeln!(self.out, "{head}").and_then(|()| writeln!(self.out, "{line}"))
        } else {
            writeln!(self.out, "{line}")
        };
        self.is_unread = written.is_err();
        self.printed += 1;
        self.left -= 1;
        written
    }

    fn ends(mut self) -> Result<(), Ended> {
        if !self.begun.is_empty() {
            return Err(Ended::Failed(anyhow!("the daemon broke off in the midst of a ticket")));
        }
        if self.printed == 0 && !self.json {
            let _ = writeln!(self.out, "no tickets");
        }
        let _ = self.out.flush();
        if self.has_more {
            complain(&format!("the {} most urgent; there are more: --limit N, or --limit 0 for all", self.printed));
        }
        Ok(())
    }
}

impl Write for List {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let mut lines = piece.split_inclusive(|octet| *octet == b'\n');
        lines.try_for_each(|part| {
            self.begun.extend_from_slice(part);
            if self.begun.ends_with(b"\n") {
                let line = std::mem::take(&mut self.begun);
                self.tell_json(line.trim_ascii_end())?;
            }
            io::Result::Ok(())
        })?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A status word, or `any`.
pub(super) fn status(word: &str) -> Result<String, String> {
    if word == "any" || Status::WORDS.contains(&word) {
        Ok(word.to_owned())
    } else {
        Err(format!("is none of {}, any", Status::WORDS.join(", ")))
    }
}
