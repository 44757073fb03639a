//! What is asked of each line and field of a mail, and so has to be cheap: where a run of octets ends, and whether a field's name is
//! one of many.

/// How many octets at the start are all such as `is_of_run` says: compared sixteen at a time, which the compiler makes one
/// instruction of where the question is a comparison. Lines are short, so that calling a search for long texts costs more than it
/// saves.
#[inline]
pub(in crate::mail) fn run_len(octets: &[u8], is_of_run: impl Fn(u8) -> bool) -> usize {
    const STEP: usize = 16;
    let (chunks, _) = octets.as_chunks::<STEP>();
    let whole = chunks.iter().take_while(|chunk| chunk.iter().fold(true, |all, octet| all & is_of_run(*octet))).count() * STEP;
    let rest = &octets[whole..];
    whole + rest.iter().position(|octet| !is_of_run(*octet)).unwrap_or(rest.len())
}

/// Names of fields, in lower case, by their length and last letter, as bits: hardly any other field of a mail has those of one of
/// them.
pub(in crate::mail) struct Names([u64; 128]);

impl Names {
    pub(in crate::mail) const EMPTY: Self = Self([0; 128]);

    /// And these.
    pub(in crate::mail) const fn and(mut self, mut names: &[&str]) -> Self {
        while let [name, others @ ..] = names {
            self.add(name);
            names = others;
        }
        self
    }

    /// And these, each of which stands beside the way it is shown.
    pub(in crate::mail) const fn and_shown(mut self, mut names: &[(&str, &str)]) -> Self {
        while let [(name, _), others @ ..] = names {
            self.add(name);
            names = others;
        }
        self
    }

    const fn add(&mut self, name: &str) {
        assert!(name.len() < u64::BITS as usize && name.is_ascii());
        if let [.., last] = name.as_bytes() {
            self.0[*last as usize] |= 1 << name.len();
        }
    }

    /// Whether a name may be one of them; such a one is to be compared.
    pub(in crate::mail) fn may_hold(&self, name: &str) -> bool {
        let lengths = name.bytes().next_back().and_then(|last| self.0.get(usize::from(last)));
        lengths.is_some_and(|lengths| name.len() < u64::BITS as usize && lengths & (1 << name.len()) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, run_len};

    #[test]
    fn names_are_told_by_their_length_and_last_letter() {
        let names = Names::EMPTY.and(&["to", "from"]).and_shown(&[("x-loop", "X-Loop")]);
        for (name, expect) in
            [("to", true), ("from", true), ("x-loop", true), ("so", true), ("cc", false), ("", false), ("é", false), ("x-loo", false)]
        {
            assert_eq!(names.may_hold(name), expect, "{name}");
        }
        assert!(!names.may_hold(&format!("{}p", "x".repeat(69))), "longer than a number has bits");
    }

    #[test]
    fn runs_end_where_they_do() {
        for length in 0..70 {
            let mut octets = vec![b'a'; length];
            assert_eq!(run_len(&octets, |octet| octet == b'a'), length, "the whole");
            for end in 0..length {
                octets[end] = b'b';
                assert_eq!(run_len(&octets, |octet| octet == b'a'), end, "{end} of {length}");
                octets[end] = b'a';
            }
        }
    }
}
