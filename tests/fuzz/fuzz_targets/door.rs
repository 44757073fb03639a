//! One door of `guichet::fuzz`, named by `GUICHET_DOOR`, under libFuzzer.
#![no_main]

use guichet::fuzz::{DOORS, Door};
use std::sync::OnceLock;

static DOOR: OnceLock<Door> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let open = DOOR.get_or_init(|| {
        let name = std::env::var("GUICHET_DOOR").unwrap_or_default();
        let names = DOORS.map(|(name, _)| name).join(" ");
        DOORS.iter().find(|(door, _)| *door == name).unwrap_or_else(|| panic!("GUICHET_DOOR is one of {names}")).1
    });
    open(octets);
});
