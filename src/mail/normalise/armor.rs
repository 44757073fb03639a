//! PGP written into a text (RFC 9580 sections 6 and 7): told, and a clear text freed of what surrounds it. Nothing is
//! verified.

/// A text and what it was.
pub(super) struct Freed {
    pub text: String,
    pub is_signed: bool,
    pub is_encrypted: bool,
}

/// Whether a text may hold any: a cheap question, asked of every text.
pub(super) fn may_hold(text: &str) -> bool {
    text.contains("-----BEGIN PGP ")
}

enum Place {
    Outside,
    /// `Hash: …` and the empty line behind it.
    Head,
    Words,
    /// A signature, which begins at this octet of what was written.
    Signature(usize),
}

/// The text without the frame of a clear-signed message; what is damaged stays as it is.
pub(super) fn freed(text: &str) -> Freed {
    let mut freed = Freed { text: String::with_capacity(text.len()), is_signed: false, is_encrypted: false };
    let mut place = Place::Outside;
    for line in text.split_inclusive('\n') {
        let words = line.trim_end();
        match (&place, words) {
            (Place::Outside, "-----BEGIN PGP SIGNED MESSAGE-----") => {
                freed.is_signed = true;
                place = Place::Head;
                continue;
            }
            (Place::Head, "") => {
                place = Place::Words;
                continue;
            }
            (Place::Head, head) if head.contains(": ") => continue,
            (Place::Head | Place::Words, "-----BEGIN PGP SIGNATURE-----") => place = Place::Signature(freed.text.len()),
            (Place::Signature(start), "-----END PGP SIGNATURE-----") => {
                freed.text.truncate(*start);
                place = Place::Outside;
                continue;
            }
            (Place::Outside, "-----BEGIN PGP MESSAGE-----") => freed.is_encrypted = true,
            _ => {}
        }
        if matches!(place, Place::Head) {
            place = Place::Words;
        }
        // RFC 9580 section 7.2: a line that begins with a dash was marked.
        let line = if matches!(place, Place::Words) { line.strip_prefix("- ").unwrap_or(line) } else { line };
        freed.text.push_str(line);
    }
    freed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_text_is_freed_of_its_frame() {
        let signature = "-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n";
        for (text, expect, signed, encrypted, why) in [
            (
                format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nHello\n- -- \nAna\n{signature}footer\n"),
                "Hello\n-- \nAna\nfooter\n",
                true,
                false,
                "all there is",
            ),
            (format!("-----BEGIN PGP SIGNED MESSAGE-----\nHello\n{signature}"), "Hello\n", true, false, "without a head"),
            (
                "-----BEGIN PGP SIGNED MESSAGE-----\n\nHello\n-----BEGIN PGP SIGNATURE-----\nabc\n".to_owned(),
                "Hello\n-----BEGIN PGP SIGNATURE-----\nabc\n",
                true,
                false,
                "a signature without an end hides nothing",
            ),
            ("-----BEGIN PGP MESSAGE-----\nabc\n".to_owned(), "-----BEGIN PGP MESSAGE-----\nabc\n", false, true, "encrypted"),
            ("> -----BEGIN PGP MESSAGE-----\n".to_owned(), "> -----BEGIN PGP MESSAGE-----\n", false, false, "quoted"),
            (format!("a\n{signature}"), &*format!("a\n{signature}"), false, false, "a signature alone"),
        ] {
            let freed = freed(&text);
            assert_eq!((freed.text.as_str(), freed.is_signed, freed.is_encrypted), (expect, signed, encrypted), "{why}");
        }
    }
}
