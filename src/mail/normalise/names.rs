//! Names of attachments: display data that is safe to show, to send on and to save under.

/// What most file systems take (octets).
const NAME_OCTETS_MAX: usize = 255;

/// The base name of what was written; `fallback` where nothing usable stays.
pub(super) fn clean(written: &str, fallback: &str) -> String {
    let base = written.rsplit(['/', '\\']).map(tidy).find(|name| !name.is_empty()).unwrap_or_default();
    let name = if base.is_empty() { tidy(fallback) } else { base };
    let name = if name.is_empty() { "attachment".to_owned() } else { name };
    shorten(&name)
}

/// One segment without control and bidi characters, without dots and blanks at its ends.
fn tidy(segment: &str) -> String {
    let mut name = String::with_capacity(segment.len());
    for c in segment.chars() {
        if c.is_control() || c.is_whitespace() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}') {
            if !name.ends_with(' ') {
                name.push(' ');
            }
        } else if !is_invisible(c) {
            name.push(c);
        }
    }
    name.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']).to_owned()
}

/// Characters that turn or hide others (bidi controls, zero width, tags).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// At most [`NAME_OCTETS_MAX`], the ending kept.
fn shorten(name: &str) -> String {
    const ENDING_OCTETS_MAX: usize = 16;
    if name.len() <= NAME_OCTETS_MAX {
        return name.to_owned();
    }
    let ending = name.rfind('.').map(|dot| &name[dot..]).filter(|e| e.len() <= ENDING_OCTETS_MAX).unwrap_or_default();
    let mut end = NAME_OCTETS_MAX - ending.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", &name[..end])
}

/// An ending for a part that came without a name.
pub(super) fn ending_of(media_type: &str) -> &'static str {
    match media_type {
        "text/html" => "html",
        "text/calendar" => "ics",
        "text/csv" => "csv",
        "text/vcard" | "text/x-vcard" => "vcf",
        "text/rfc822-headers" | "message/rfc822" | "message/global" | "message/partial" => "eml",
        "image/jpeg" | "image/jpg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/svg+xml" => "svg",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "application/json" => "json",
        "application/pgp-signature" => "asc",
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => "p7m",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => "p7s",
        "application/ms-tnef" => "dat",
        "text/plain"
        | "message/delivery-status"
        | "message/global-delivery-status"
        | "message/disposition-notification"
        | "message/feedback-report" => "txt",
        _ => "bin",
    }
}

/// The type of a file that came without one, by its ending.
pub(super) fn media_type_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "txt" | "log" => "text/plain",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "ics" => "text/calendar",
        "vcf" => "text/vcard",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "rtf" => "application/rtf",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/octet-stream",
    }
}

/// A number of octets as people say it.
pub(super) fn size(octets: usize) -> String {
    match octets {
        0..1000 => format!("{octets} bytes"),
        1000..1_000_000 => format!("{} kB", octets.div_ceil(1000)),
        _ => format!("{}.{} MB", octets / 1_000_000, octets % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_display_data() {
        for (written, expect, why) in [
            ("../../etc/passwd", "passwd", "base name"),
            ("C:\\Windows\\evil.exe", "evil.exe", "the other slash"),
            ("...hidden", "hidden", "no leading dots"),
            ("a\0b.txt", "a b.txt", "NUL is no place to cut"),
            ("a\r\nContent-Type: text/html\r\n\r\n<script>.txt", "a Content-Type: text html <script>.txt", "on one line"),
            ("inv\u{202e}fdp.exe", "invfdp.exe", "no bidi control"),
            ("..", "part.bin", "nothing stays"),
            ("dir/", "dir", "a name that ends in a slash"),
            ("", "part.bin", "none written"),
            ("\"><img src=x>.png", "\"><img src=x>.png", "markup is text: escaped where it is shown"),
        ] {
            let got = clean(written, "part.bin");
            if why == "on one line" {
                assert!(!got.contains(['\r', '\n', '/']), "{why}: {got}");
            } else {
                assert_eq!(got, expect, "{why}");
            }
        }
        let long = clean(&format!("{}.pdf", "ä".repeat(4000)), "x");
        assert!(long.len() <= 255 && long.rsplit_once('.').is_some_and(|(_, ending)| ending == "pdf"), "{}", long.len());
    }
}
