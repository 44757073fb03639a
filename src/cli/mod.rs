//! The command line: one file a verb. A verb that asks something of the store asks the running daemon over its control
//! socket; where none runs, it opens the store itself.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 75 try again later.

mod ask;
mod check;
mod demo;
mod doctor;
mod dump;
mod explain;
mod fetch;
mod outbox;
mod quarantine;
mod import;
mod replay;
mod run;
mod status;
mod suppressions;
mod ticket;
mod tickets;
mod verify;

use crate::clock::Clock;
use crate::config::settings::Settings;
use crate::http::api::Filter;
use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// guichet: the ticket window. Takes in every customer message by mail and by live chat, makes it part of a ticket
/// with clocks, tells the customer what to expect, and lets agents do their work from the mail client that they have.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 75 try again later."
)]
pub struct Arguments {
    /// Configuration: a file, or a directory whose *.toml are read in order.
    #[arg(long, global = true, env = "GUICHET_CONFIG", default_value = "/etc/guichet", value_name = "PATH")]
    config: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The daemon, in the foreground. SIGTERM drains and stops it, SIGHUP reads rules and texts anew.
    Run,
    /// Proves the configuration and prints each fault as file:line: key: what is wrong, and what would be right; warns of what is of no
    /// use, such as rules that never hold and policies that no ticket can have. Exit 2 if there is a fault.
    Check {
        /// Takes warnings for faults.
        #[arg(long)]
        strict: bool,
    },
    /// What would be decided for a mail, and why. Changes and sends nothing.
    Explain {
        /// One JSON object a mail.
        #[arg(long)]
        json: bool,
        /// The mailbox that it counts as having come to; by default the one that it is addressed to.
        #[arg(long, value_name = "NAME")]
        mailbox: Option<String>,
        /// Files with one mail each; - is standard input.
        #[arg(required = true, value_name = "MAIL")]
        mails: Vec<PathBuf>,
    },
    /// A line a ticket that is not closed, most urgent first.
    Tickets {
        /// new, open, pending, snoozed, solved, closed, or any.
        #[arg(long, value_parser = tickets::status)]
        status: Option<String>,
        /// Only this team's.
        #[arg(long)]
        team: Option<String>,
        /// Only this tier's.
        #[arg(long)]
        tier: Option<String>,
        /// Only so many, the most urgent; 0 is all. Without it a terminal gets 100, and anything else all.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// One ticket: its thread, clocks, and history with reasons.
    Ticket {
        /// Its number, with or without #.
        #[arg(value_name = "N", value_parser = ticket::number)]
        number: u64,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Fetches all of a mail of which only the start came, since it was too large, from its mailbox into its ticket. Can be
    /// asked for again; nothing is changed at the mail server.
    Fetch {
        /// The ticket's number, with or without #.
        #[arg(value_name = "TICKET", value_parser = ticket::number)]
        number: u64,
        /// The message's number in the ticket: what stands in [ ] before it.
        #[arg(value_name = "MESSAGE")]
        seq: u32,
        /// Saves the mail here, octet by octet, and leaves the ticket as it is.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// What could not become part of a ticket.
    #[command(subcommand)]
    Quarantine(quarantine::Verb),
    /// What is to be sent and waits.
    #[command(subcommand)]
    Outbox(outbox::Verb),
    /// Addresses to which no automatic mail goes, since mail there came back or was complained about.
    #[command(subcommand)]
    Suppressions(suppressions::Verb),
    /// Takes in mail of the past: mbox files, Maildirs, .eml files and folders of them, in their order. What was taken
    /// in before stays as it is, so that the same import can be run again and goes on where it ended.
    Import {
        /// Nothing is sent because of it; clocks are armed as usual from now.
        #[arg(long)]
        no_notices: bool,
        /// The mailbox that it counts as having come to; needed where there are several.
        #[arg(long, value_name = "NAME")]
        mailbox: Option<String>,
        /// mbox files, Maildirs, .eml files, folders of them.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// What would have been: messages and answers of the past through the configuration that --config names, on a simulated clock,
    /// beside the one in force. Prints what differs: routing, targets met per tier, notices sent. Changes and sends nothing.
    Replay(replay::Order),
    /// How the running daemon fares: each mailbox, what is in quarantine, what waits to be sent. Exit 1 if mail is not taken in.
    Status {
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Tries each mailbox, the relay and the state directory, and says what would be right. Takes in and sends nothing.
    Doctor,
    /// Proves every promise that the store can prove: each index against the rows, both ways. Exit 1 if one is broken.
    Verify {
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// The whole store as text, one line a row, for comparing two stores and for reports. Texts, addresses, names and
    /// Message-IDs stand in it as hashes under a key of this installation.
    Dump {
        /// Times as T and figures within texts of the desk's own as 0, and no cursors: for comparing.
        #[arg(long)]
        without_times: bool,
    },
    /// The whole thing on an embedded default: no server, no root. Sample customers of three tiers in three languages,
    /// chat page on loopback.
    Demo {
        /// Where it keeps its state and Maildirs; by default a new folder below the system's temporary one.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Address of the chat page.
        #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
        listen: std::net::SocketAddr,
        /// Stop after the sample messages instead of keeping the chat page open.
        #[arg(long)]
        once: bool,
    },
}

/// How a verb ended without being done.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Something that was asked for is not so, or could not be done.
    Failed(anyhow::Error),
    /// Wrong usage or configuration; each line has been said where it is known.
    Wrong(Vec<String>),
    /// Another process is in the way, or a server is down.
    Later(anyhow::Error),
    /// All was said already.
    Said,
}

impl<E: Into<anyhow::Error>> From<E> for Ended {
    fn from(fault: E) -> Self {
        Self::Failed(fault.into())
    }
}

impl Arguments {
    /// Does what was asked.
    #[must_use]
    pub fn carry_out(self) -> ExitCode {
        let config = self.config;
        let ended = match self.verb {
            Verb::Run => run::run(&config),
            Verb::Check { strict } => check::check(&config, strict),
            Verb::Explain { json, mailbox, mails } => explain::explain(&config, &mails, mailbox.as_deref(), json),
            Verb::Tickets { status, team, tier, limit, json } => tickets::tickets(&config, Filter { status, team, tier, limit }, json),
            Verb::Ticket { number, json } => ticket::ticket(&config, number, json),
            Verb::Fetch { number, seq, output, json } => fetch::fetch(&config, (number, seq), output.as_deref(), json),
            Verb::Quarantine(verb) => quarantine::quarantine(&config, &verb),
            Verb::Outbox(verb) => outbox::outbox(&config, &verb),
            Verb::Suppressions(verb) => suppressions::suppressions(&config, &verb),
            Verb::Import { no_notices, mailbox, paths } => import::import(&config, mailbox.as_deref(), &paths, no_notices),
            Verb::Replay(order) => replay::replay(&config, &order),
            Verb::Status { json } => status::status(&config, json),
            Verb::Doctor => doctor::doctor(&config),
            Verb::Verify { json } => verify::verify(&config, json),
            Verb::Dump { without_times } => dump::dump(&config, without_times),
            Verb::Demo { dir, listen, once } => demo::demo(dir, listen, once),
        };
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(Ended::Said) => ExitCode::FAILURE,
            Err(Ended::Failed(fault)) => {
                complain(&format!("guichet: {fault:#}"));
                ExitCode::FAILURE
            }
            Err(Ended::Later(fault)) => {
                complain(&format!("guichet: {fault:#}"));
                ExitCode::from(75)
            }
            Err(Ended::Wrong(lines)) => {
                for line in lines {
                    complain(&line);
                }
                ExitCode::from(2)
            }
        }
    }
}

/// The configuration, or each of its faults.
fn settings(config: &std::path::Path) -> Result<Settings, Ended> {
    crate::config::prove(config, Some(Clock::system().now()))
        .outcome
        .map_err(|faults| Ended::Wrong(faults.iter().map(ToString::to_string).collect()))
}

/// Nothing is wrong with it, but people should know.
fn no_ops(settings: &Settings) -> Option<&'static str> {
    let is_empty = settings.policy.desk.ops.is_empty();
    is_empty.then_some("hint: nobody is told by mail of silent mailboxes and of quarantine; write [desk] ops = [\"…\"]")
}

/// A line for people or for a pipe; a reader who has gone away is no fault.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
