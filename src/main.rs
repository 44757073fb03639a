//! Arguments, exit codes; no logic.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    guichet::cli::Arguments::parse().carry_out()
}
