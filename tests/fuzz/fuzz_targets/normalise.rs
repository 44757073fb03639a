//! Whatever comes in becomes a value, its spans cover its text, and an agent's reading of it does too.
#![no_main]

use guichet::mail::normalise::{NormaliseLimits, normalise};
use guichet::mail::visible::agent_spans;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let parsed = normalise(octets, &NormaliseLimits::default());
    let text = &parsed.body.text;
    for spans in [parsed.body.spans.clone(), agent_spans(text)] {
        assert_eq!(spans.last().map_or(0, |span| span.end as usize), text.len());
    }
});
