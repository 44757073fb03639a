//! Damage: octets of one seed changed, cut, repeated and mixed with those of another, the same each time for the same number.

/// What has a meaning somewhere: put in at any place.
const WORDS: [&[u8]; 48] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\n\n",
    b"\r\n\r\n",
    b"\n ",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xe2\x80\xa8",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x98\x80",
    b"=?utf-8?q?",
    b"=?iso-2022-jp?b?",
    b"?=",
    b"=?x?q?\xfc?=",
    b"--",
    b"\n--b\n",
    b"\n--b--\n",
    b"Content-Type: multipart/mixed; boundary=b\n",
    b"Content-Type: multipart/alternative; boundary=\"b\"\n\n",
    b"Content-Type: message/rfc822\n\n",
    b"Content-Type: text/html; charset=utf-7\n",
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Transfer-Encoding: quoted-printable\n",
    b"Content-Disposition: attachment; filename*0*=utf-8''%c3; filename*1=x\n",
    b"From: a@x.example\n",
    b"References: <",
    b"Auto-Submitted: auto-replied\n",
    b"; charset=",
    b"format=flowed",
    b"\"",
    b"<",
    b">",
    b"> ",
    b"(",
    b"{",
    b"{3}\r\n",
    b"{99999999999}\r\n",
    b"* 1 FETCH (UID 1 BODY[] ",
    b"\\",
    b"&#x110000;",
    b"<blockquote>",
    b"<!--",
    b"On 1/1/2026 a wrote:\n",
    b"-- \n",
    b"#",
    b"18446744073709551616",
];

/// Numbers that look like chance and are not (SplitMix64).
pub(super) struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..count`; 0 if there is none.
    pub(super) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(count.max(1)).unwrap()).unwrap()
    }

    fn range(&mut self, len: usize, longest: usize) -> std::ops::Range<usize> {
        let start = self.below(len + 1);
        start..(start + self.below(longest + 1)).min(len)
    }
}

/// A seed, damaged one to five times; never longer than `octets_max`.
pub(super) fn damaged(seed: &[u8], other: &[u8], dice: &mut Dice, octets_max: usize) -> Vec<u8> {
    let mut octets = seed[..seed.len().min(octets_max)].to_vec();
    for _ in 0..=dice.below(5) {
        damage(&mut octets, other, dice, octets_max);
        octets.truncate(octets_max);
    }
    octets
}

fn damage(octets: &mut Vec<u8>, other: &[u8], dice: &mut Dice, octets_max: usize) {
    let len = octets.len();
    let at = dice.below(len + 1);
    match dice.below(12) {
        0 => octets.truncate(at),
        1 => drop(octets.drain(dice.range(len, 200))),
        2 | 3 => drop(octets.splice(at..at, WORDS[dice.below(WORDS.len())].iter().copied())),
        4 => {
            let range = dice.range(len, 8);
            for octet in &mut octets[range] {
                *octet = dice.next().to_le_bytes()[0];
            }
        }
        5 => {
            if let Some(octet) = octets.get_mut(at) {
                *octet ^= 1 << dice.below(8);
            }
        }
        // A stretch again, elsewhere.
        6 => {
            let piece = octets[dice.range(len, 2000)].to_vec();
            drop(octets.splice(at..at, piece));
        }
        // A short stretch many times over: what is not linear shows.
        7 => {
            let piece = octets[dice.range(len, 12)].to_vec();
            let times = dice.below(octets_max / 4) / piece.len().max(1);
            drop(octets.splice(at..at, piece.repeat(times)));
        }
        // Of another seed.
        8 => drop(octets.splice(at..at, other[dice.range(other.len(), 2000)].iter().copied())),
        9 => {
            octets.truncate(at);
            octets.extend_from_slice(&other[dice.below(other.len() + 1)..]);
        }
        // A line again, or at another place: fields, boundaries and parts are lines.
        10 => {
            let start = octets[..at].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
            let end = octets[start..].iter().position(|b| *b == b'\n').map_or(len, |n| start + n + 1);
            let line = octets[start..end].to_vec();
            if dice.below(2) == 0 {
                octets.drain(start..end);
            }
            let to = dice.below(octets.len() + 1);
            let to = octets[..to].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
            drop(octets.splice(to..to, line));
        }
        // A boundary or a word of the seed, changed in its last letter or its case.
        _ => {
            let end = (at..len).find(|i| !octets[*i].is_ascii_alphanumeric()).unwrap_or(len);
            if let Some(octet) = octets[..end].last_mut() {
                *octet = if octet.is_ascii_alphabetic() { *octet ^ 0x20 } else { octet.wrapping_add(1) };
            }
        }
    }
}
