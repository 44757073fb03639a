//! What the kernel knows of a process.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// Time on processors so far, in user mode and in the kernel.
pub fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name, in parentheses, may hold blanks; utime and stime are the 14th and 15th field, the 12th and 13th after it.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / ticks_per_second())
}

fn ticks_per_second() -> u64 {
    let output = Command::new("getconf").arg("CLK_TCK").output();
    output.ok().and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok()).unwrap_or(100)
}

/// A line of `/proc/PID/status` that ends with `kB`, such as `VmRSS` or `VmHWM`, in MiB.
pub fn memory_mib(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib: u32 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default();
    f64::from(kib) / 1024.0
}

/// Threads now.
pub fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}
