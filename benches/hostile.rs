//! What the most hostile mails cost: time and additional memory of reading one, with the limits beside.
//!
//! ```text
//! cargo bench --bench hostile [-- NAME…]
//! ```
//! Each mail is read in a process of its own, so that the kernel's high-water mark is that of this mail alone. It counts
//! from where the mail lies whole in memory, as it does when it has been fetched.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a driver ends by panicking and speaks by printing"
)]

use guichet::mail::normalise::{NormaliseLimits, normalise};
use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

/// Milliseconds that one mail may take.
const TIME_MS_MAX: u128 = 1000;
/// Memory that reading one mail may add (MiB).
const MEMORY_MIB_MAX: f64 = 64.0;

/// Name, mail, and the defect that must tell of it; empty where it is within the limits.
type Case = (&'static str, fn() -> Vec<u8>, &'static str);

const CASES: [Case; 27] = [
    ("5,000 nested parts", nested_parts, "too_deep"),
    ("100,000 tiny parts", || multipart(&"--b\r\n\r\nx\r\n".repeat(100_000)), "many_parts"),
    ("boundaries within themselves", || multipart(&"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".repeat(200_000)), "too_deep"),
    ("a 1 MiB header line", || fields(&format!("X-Long: {}\r\n", "x".repeat(1 << 20))), "long_header"),
    ("a 16 MiB From", || format!("From: {}\r\n\r\nx", "a,".repeat(8 << 20)).into_bytes(), "long_header"),
    ("1,000,000 fields", || fields(&"X-Many: y\r\n".repeat(1_000_000)), "large_header"),
    ("1,000,000 addresses in To", || fields(&format!("To: {}z@x.example\r\n", "a@x.example,\r\n ".repeat(1_000_000))), "long_header"),
    ("100,000 references", || fields(&format!("References: {}\r\n", "<0123456789@x.example>\r\n ".repeat(100_000))), "long_header"),
    ("500,000 encoded words", || fields(&format!("Subject: {}\r\n", "=?utf-8?q?=C3?= ".repeat(500_000))), "long_header"),
    ("a 50 MB line of base64", || part("image/png", "base64", "QUJD".repeat(12_500_000)), "large_attachments"),
    ("a 50 MB line of base64 as text", || part("text/plain", "base64", "QUJD".repeat(12_500_000)), "cut_text"),
    ("40 MB of base64 noise", || part("image/png", "base64", "!?".repeat(20_000_000)), "bad_encoding"),
    ("40 MB of quoted-printable", || part("text/html", "quoted-printable", "=3Cp=3E".repeat(5_700_000)), "large_html"),
    ("2,000 links", || page(&"<a href='https://x.example/a'>words</a> ".repeat(2000)), ""),
    ("100,000 open links", || page(&"<a href=https://x.example/>y".repeat(100_000)), "cut_text"),
    ("tables in tables", || page(&"<table><tr><td>x".repeat(200_000)), "cut_text"),
    ("quotes in quotes", || page(&format!("{}<pre>{}", "<blockquote>x".repeat(100_000), "\n\n\nx".repeat(700_000))), "cut_text"),
    ("lists in lists", || page(&"<ul><li>".repeat(500_000)), ""),
    ("30 MB of tags", || page(&"<b a=1 b=2>".repeat(3_000_000)), "large_html"),
    ("lines of quotation", || part("text/plain", "7bit", "> On x wrote:\r\nOn 2025 a@b wrote\r\n".repeat(500_000)), "cut_text"),
    ("200,000 marks of images", || part("text/plain", "7bit", "[cid:".repeat(200_000)), "cut_text"),
    ("100,000 files in a text", || part("text/plain", "7bit", "begin 644 a\r\n!````\r\n`\r\nend\r\n".repeat(100_000)), "cut_text"),
    ("rich text that grows", growing_rich_text, "cut_text"),
    ("30 MB of winmail.dat", || part("application/ms-tnef", "binary", tnef(0x800f, &vec![b'x'; 30_000_000])), ""),
    ("200,000 files in a winmail.dat", many_packed_files, "damaged_tnef"),
    ("an invitation of 20 MB", || part("text/calendar", "7bit", format!("METHOD:REQUEST\r\nSUMMARY:{}", "x\r\n ".repeat(5_000_000))), ""),
    (
        "100,000 mails in mails",
        || format!("From: a@x.example\r\n{}", "Content-Type: message/rfc822\r\n\r\n".repeat(100_000)).into_bytes(),
        "",
    ),
];

fn fields(fields: &str) -> Vec<u8> {
    format!("{fields}From: a@x.example\r\n\r\nwords\r\n").into_bytes()
}

fn part(kind: &str, encoding: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("From: a@x.example\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
    [head.as_bytes(), body.as_ref()].concat()
}

fn page(page: &str) -> Vec<u8> {
    part("text/html", "8bit", page)
}

fn multipart(body: &str) -> Vec<u8> {
    part("multipart/mixed; boundary=b", "7bit", body)
}

fn nested_parts() -> Vec<u8> {
    let mut body = String::new();
    for level in 0..5000 {
        write!(body, "--b{level}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n", level + 1).unwrap();
    }
    part("multipart/mixed; boundary=b0", "7bit", body)
}

/// A stream (MS-OXTNEF) with one attribute.
fn tnef(id: u16, value: &[u8]) -> Vec<u8> {
    [&[0x78, 0x9f, 0x3e, 0x22, 1, 0][..], &attribute(if id == 0x9003 { 1 } else { 2 }, id, value)].concat()
}

fn attribute(level: u8, id: u16, value: &[u8]) -> Vec<u8> {
    let size = u32::try_from(value.len()).unwrap().to_le_bytes();
    let sum = value.iter().fold(0u16, |sum, octet| sum.wrapping_add(u16::from(*octet)));
    [&[level][..], &id.to_le_bytes(), &[0, 0], &size, value, &sum.to_le_bytes()].concat()
}

/// References of two octets that each give seventeen (MS-OXRTFCP), in the body of a winmail.dat.
fn growing_rich_text() -> Vec<u8> {
    let start = b"{\\rtf1 x ";
    let mut packed = Vec::new();
    for eight in start.chunks(8) {
        packed.push(0);
        packed.extend_from_slice(eight);
        packed.resize(packed.len() + 8 - eight.len(), b'x');
    }
    // Where the next octet goes in the window of 4096; a reference to that place would be the end.
    let mut at = 207 + 16;
    for _ in 0..1_500_000 {
        packed.extend([0xff]);
        for _ in 0..8 {
            let from = u16::try_from((at + 4096 - 6) % 4096).unwrap();
            packed.extend((from << 4 | 0xf).to_be_bytes());
            at = (at + 17) % 4096;
        }
    }
    let sum = packed.iter().fold(0u32, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    });
    let size = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    let rich = [&size(packed.len() + 12)[..], &size(400_000_000), b"LZFu", &sum.to_le_bytes(), &packed].concat();
    let mut list = [1u32.to_le_bytes(), 0x1009_0102u32.to_le_bytes(), 1u32.to_le_bytes(), size(rich.len())].concat();
    list.extend(rich);
    part("application/ms-tnef", "binary", tnef(0x9003, &list))
}

fn many_packed_files() -> Vec<u8> {
    let file = [attribute(2, 0x9002, &[0; 14]), attribute(2, 0x8010, b"a.txt\0"), attribute(2, 0x800f, b"x")].concat();
    part("application/ms-tnef", "binary", [&[0x78, 0x9f, 0x3e, 0x22, 1, 0][..], &file.repeat(200_000)].concat())
}

/// A line of `/proc/self/status`, in KiB.
fn memory_kib(name: &str) -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// In a process of its own: reads one mail and prints what it cost.
fn measure((name, mail, defect): &Case) {
    let mail = mail();
    // Sets the high-water mark back to what is there now (proc_pid_clear_refs(5)).
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = memory_kib("VmRSS");
    let started = Instant::now();
    let parsed = normalise(&mail, &NormaliseLimits::default());
    let time_ms = started.elapsed().as_millis();
    let memory_mib = f64::from(memory_kib("VmHWM").saturating_sub(before)) / 1024.0;
    let mut names: Vec<_> = parsed.defects.iter().map(|d| d.name).filter(|name| *name != "no_date").collect();
    names.sort_unstable();
    let over = if time_ms > TIME_MS_MAX || memory_mib > MEMORY_MIB_MAX { "  OVER" } else { "" };
    let untold = if !defect.is_empty() && !names.contains(defect) { "  UNTOLD" } else { "" };
    let whole_kb = mail.len() / 1000;
    println!("{name:32} {whole_kb:>8} {time_ms:>8} {memory_mib:>8.1}  {}{over}{untold}", names.join(" "));
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [one, name] = wanted.as_slice()
        && one == "--only"
    {
        return CASES.iter().filter(|case| case.0 == name).for_each(measure);
    }
    println!("{:32} {:>8} {:>8} {:>8}  what is told of it", "", "kB", "ms", "MiB");
    println!("{:32} {:>8} {TIME_MS_MAX:>8} {MEMORY_MIB_MAX:>8.1}", "at most", "");
    let myself = std::env::current_exe().expect("a path");
    for case in CASES.iter().filter(|case| wanted.is_empty() || wanted.iter().any(|name| case.0.contains(name.as_str()))) {
        let status = Command::new(&myself).args(["--only", case.0]).status().expect("it starts");
        if !status.success() {
            println!("{:32} FAILED: {status}", case.0);
        }
    }
}
