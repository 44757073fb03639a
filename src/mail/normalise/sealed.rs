//! Cryptographic messages (CMS, RFC 5652) as far as they can be read without cryptography: what kind they are, and the
//! content of those that are only signed. Nothing is verified, and nobody is told that it was.

/// What a `smime.p7m` is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sealed {
    /// Signed, with the content inside: a MIME entity.
    Signed(Vec<u8>),
    /// Signatures or certificates alone.
    NoContent,
    Enveloped,
    Compressed,
    /// Cannot be read.
    Unknown,
}

/// 1.2.840.113549.1.7, and 1.2.840.113549.1.9.16.1
const PKCS7: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];
const SMIME_TYPES: [u8; 10] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01];

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const EXPLICIT_0: u8 = 0xa0;
const OCTET_STRING: u8 = 0x04;
const OCTET_STRINGS: u8 = 0x24;

/// Reads what a message is.
pub(super) fn open(octets: &[u8]) -> Sealed {
    read(octets).unwrap_or(Sealed::Unknown)
}

fn read(octets: &[u8]) -> Option<Sealed> {
    let (content_info, _) = expect(octets, SEQUENCE)?;
    let (kind, rest) = expect(content_info, OBJECT_ID)?;
    if let Some(number) = kind.strip_prefix(&SMIME_TYPES) {
        return match number {
            [23] => Some(Sealed::Enveloped),
            [9] => Some(Sealed::Compressed),
            _ => None,
        };
    }
    match kind.strip_prefix(&PKCS7)? {
        // Enveloped, signed and enveloped, encrypted.
        [3 | 4 | 6] => return Some(Sealed::Enveloped),
        [2] => {}
        _ => return None,
    }
    let (explicit, _) = expect(rest, EXPLICIT_0)?;
    let (signed, _) = expect(explicit, SEQUENCE)?;
    // Version and digests stand in front of the content.
    let (_, _, rest) = element(signed)?;
    let (_, _, rest) = element(rest)?;
    let (encapsulated, _) = expect(rest, SEQUENCE)?;
    let (_, rest) = expect(encapsulated, OBJECT_ID)?;
    let Some((explicit, _)) = expect(rest, EXPLICIT_0) else { return Some(Sealed::NoContent) };
    match element(explicit)? {
        (OCTET_STRING, content, _) => Some(Sealed::Signed(content.to_vec())),
        (OCTET_STRINGS, pieces, _) => {
            let mut content = Vec::new();
            let mut rest = pieces;
            while let Some((piece, behind)) = expect(rest, OCTET_STRING) {
                content.extend_from_slice(piece);
                rest = behind;
            }
            Some(Sealed::Signed(content))
        }
        _ => None,
    }
}

/// The element of this tag at the start, and what stands behind it.
fn expect(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(octets)?;
    (found == tag).then_some((content, rest))
}

/// Tag, content and rest of the element at the start (X.690 section 8.1); one that is cut off holds what is there.
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, length, content) = head(octets)?;
    if let Some(length) = length {
        let (content, rest) = content.split_at(length.min(content.len()));
        return Some((tag, content, rest));
    }
    // Its end is marked by two octets of zero; elements inside may be of the same kind. Counted, not recursed.
    let mut open = 1usize;
    let mut at = 0;
    while let Some((tag, length, inner)) = head(&content[at..]) {
        let start = content.len() - inner.len();
        match length {
            Some(0) if tag == 0 => {
                open -= 1;
                if open == 0 {
                    return Some((octets[0], &content[..at], &content[start..]));
                }
                at = start;
            }
            Some(length) => at = start.saturating_add(length).min(content.len()),
            None => {
                open += 1;
                at = start;
            }
        }
    }
    Some((tag, content, &[]))
}

/// Tag, length (`None`: up to its mark) and what follows. Tags of several octets do not come up here.
fn head(octets: &[u8]) -> Option<(u8, Option<usize>, &[u8])> {
    let [tag, length, rest @ ..] = octets else { return None };
    match length {
        0..=0x7f => Some((*tag, Some(usize::from(*length)), rest)),
        0x80 => Some((*tag, None, rest)),
        _ => {
            let count = usize::from(length & 0x7f);
            let (digits, rest) = rest.split_at_checked(count).filter(|_| count <= 8)?;
            let length = digits.iter().fold(0u64, |length, digit| length << 8 | u64::from(*digit));
            Some((*tag, Some(usize::try_from(length).unwrap_or(usize::MAX)), rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], content].concat()
    }

    fn open_ended(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, 0x80], content, &[0, 0]].concat()
    }

    fn id(number: u8) -> Vec<u8> {
        tlv(OBJECT_ID, &[&PKCS7[..], &[number]].concat())
    }

    fn signed(wrap: fn(u8, &[u8]) -> Vec<u8>, content: &[u8]) -> Vec<u8> {
        let inner =
            [tlv(2, &[1]), tlv(0x31, &[]), wrap(SEQUENCE, &[id(1), content.to_vec()].concat()), tlv(0xa0, b"certificates")].concat();
        wrap(SEQUENCE, &[id(2), wrap(EXPLICIT_0, &wrap(SEQUENCE, &inner))].concat())
    }

    #[test]
    fn what_was_sealed_and_how() {
        let content = || Sealed::Signed(b"content".to_vec());
        let whole = signed(tlv, &tlv(EXPLICIT_0, &tlv(OCTET_STRING, b"content")));
        let pieces = [tlv(OCTET_STRING, b"con"), tlv(OCTET_STRING, b"tent")].concat();
        for (octets, expect, why) in [
            (whole.clone(), content(), "definite lengths"),
            (signed(open_ended, &open_ended(EXPLICIT_0, &open_ended(OCTET_STRINGS, &pieces))), content(), "streamed, in pieces"),
            (signed(tlv, &[]), Sealed::NoContent, "certificates only"),
            (tlv(SEQUENCE, &id(3)), Sealed::Enveloped, "encrypted"),
            (tlv(SEQUENCE, &tlv(OBJECT_ID, &[&SMIME_TYPES[..], &[23]].concat())), Sealed::Enveloped, "encrypted and authenticated"),
            (tlv(SEQUENCE, &tlv(OBJECT_ID, &[&SMIME_TYPES[..], &[9]].concat())), Sealed::Compressed, "compressed"),
            (tlv(SEQUENCE, &id(99)), Sealed::Unknown, "another kind"),
            (b"x".to_vec(), Sealed::Unknown, "garbage"),
            (vec![], Sealed::Unknown, "nothing"),
            (vec![0x30, 0x88, 255, 255, 255, 255, 255, 255, 255, 255], Sealed::Unknown, "a length that lies"),
            (vec![0x30; 100_000], Sealed::Unknown, "elements in elements"),
            ([0x30, 0x80].repeat(100_000), Sealed::Unknown, "elements without end in one another"),
        ] {
            assert_eq!(open(&octets), expect, "{why}");
        }
        for end in 0..whole.len() {
            // Cut off anywhere it is read as far as it goes.
            let _ = open(&whole[..end]);
        }
    }
}
