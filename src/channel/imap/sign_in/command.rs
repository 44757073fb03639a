//! A program that prints a token.

use super::TokenFault;
use super::tokens::TOKEN_OCTETS_MAX;
use crate::channel::imap::commands::words;
use crate::config::settings::TokenCommand;
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// From its start to its end.
const TIME_MAX: Duration = Duration::from_secs(30);
/// What is read of its standard error; the rest is thrown away.
const SAID_OCTETS_MAX: usize = 4 * 1024;
/// sysexits.h: a temporary failure.
const EX_TEMPFAIL: i32 = 75;

/// Runs it and gives its output, at most a little more than a token may have. It and what it has started are killed when
/// their time is up.
pub(super) async fn run(command: &TokenCommand) -> Result<Vec<u8>, TokenFault> {
    run_within(command, TIME_MAX).await
}

async fn run_within(command: &TokenCommand, time_max: Duration) -> Result<Vec<u8>, TokenFault> {
    let mut child = Command::new(&command.program)
        .args(&command.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: what it starts ends with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|fault| TokenFault::CannotRun(fault.to_string()))?;
    let group = Group(child.id());
    let outcome = timeout(time_max, listen(&mut child)).await;
    let (printed, said, status) = match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(fault)) => return Err(TokenFault::CannotRun(fault.to_string())),
        Err(_) => {
            // Before it is waited for: until then its number is nobody else's.
            drop(group);
            let _ = child.wait().await;
            return Err(TokenFault::Slow(time_max.as_secs()));
        }
    };
    // It has ended by itself, and what it left running may stay (an agent that keeps keys, for example).
    group.forget();
    if status.success() {
        return Ok(printed);
    }
    let first = said.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let said = words(Some(String::from_utf8_lossy(first).trim()).filter(|line| !line.is_empty()));
    if status.code() == Some(EX_TEMPFAIL) {
        Err(TokenFault::NotNow(said))
    } else {
        Err(TokenFault::Failed { status: status.to_string(), said })
    }
}

/// All that it prints, and its end.
async fn listen(child: &mut Child) -> std::io::Result<(Vec<u8>, Vec<u8>, ExitStatus)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (printed, said) = tokio::try_join!(start_of(stdout, TOKEN_OCTETS_MAX + 1), start_of(stderr, SAID_OCTETS_MAX))?;
    Ok((printed, said, child.wait().await?))
}

/// Reads to the end and keeps so much of the start: a program whose output is not read would wait for ever.
async fn start_of(stream: Option<impl AsyncRead + Unpin>, octets_max: usize) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(octets_max as u64).read_to_end(&mut start).await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(start)
}

/// The processes of a program; killed when this is dropped, also with the task that waits for them.
struct Group(Option<u32>);

impl Group {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // It may have ended just now.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn shell(script: &str) -> TokenCommand {
        TokenCommand { program: PathBuf::from("/bin/sh"), arguments: vec!["-c".into(), script.into()] }
    }

    #[tokio::test]
    async fn what_it_prints_and_how_it_ends() {
        let failed = |status: &str, said: &str| Err(TokenFault::Failed { status: status.into(), said: said.into() });
        #[rustfmt::skip]
        let cases = [
            ("printf tok; echo warning >&2", Ok(b"tok".to_vec()), "printed; what it says beside is not asked for"),
            ("echo secret; echo first >&2; echo second >&2; exit 3", failed("exit status: 3", "first"), "it fails: the first line, and nothing that it printed"),
            ("printf 'a\\033[31mb\\n' >&2; exit 1", failed("exit status: 1", "a[31mb"), "no control characters"),
            ("exit 1", failed("exit status: 1", "(nothing)"), "it fails and says nothing"),
            ("echo no network >&2; exit 75", Err(TokenFault::NotNow("no network".into())), "not now"),
            ("kill -9 $$", failed("signal: 9 (SIGKILL)", "(nothing)"), "killed"),
            ("yes | head -c 1000000 >&2; printf tok", Ok(b"tok".to_vec()), "it talks a lot"),
            ("read line && echo $line || printf none", Ok(b"none".to_vec()), "it can ask nobody"),
        ];
        for (script, expected, reason) in cases {
            assert_eq!(run(&shell(script)).await, expected, "{reason}");
        }
        let printed = run(&shell("yes | head -c 1000000")).await.unwrap();
        assert_eq!(printed.len(), TOKEN_OCTETS_MAX + 1, "P11: as much as shows that it is too much");
        let absent = TokenCommand { program: "/nonexistent/token".into(), arguments: vec!["secret".into()] };
        assert!(matches!(run(&absent).await, Err(TokenFault::CannotRun(_))));
        assert!(!format!("{absent:?}").contains("secret"), "arguments may be secrets");
    }

    #[tokio::test]
    async fn it_is_killed_with_all_that_it_started_when_its_time_is_up() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let time = async {
            // Its time is up once it has started what outlives it.
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let command = shell(&script);
        tokio::select! {
            ended = run(&command) => panic!("{ended:?}"),
            () = time => {}
        }
        let child: u32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        let is_gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            // Ended, and perhaps not yet taken note of by whoever inherits it.
            stat.is_empty() || stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']))
        };
        crate::channel::imap::tests::desk::until("the child to end", is_gone).await;
        let slow = run_within(&shell("sleep 1000"), Duration::from_millis(50)).await;
        assert_eq!(slow, Err(TokenFault::Slow(0)));
    }
}
