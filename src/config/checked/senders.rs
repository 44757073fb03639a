//! Whether and how senders are checked by the desk itself.

use super::Check;
use crate::config::settings::DnsSettings;
use crate::config::written::{Dns, Mailbox, Words};
use crate::domain::address::EmailAddress;
use crate::domain::policy::SenderCheck;
use jiff::SignedDuration;
use std::net::{IpAddr, SocketAddr};

/// A check holds up its own mail, and behind it those of the same mailbox, no longer than this.
const TIMEOUT: std::ops::RangeInclusive<SignedDuration> = SignedDuration::from_millis(100)..=SignedDuration::from_secs(30);
const TIMEOUT_ELSE: SignedDuration = SignedDuration::from_secs(5);
const NAMES_MAX: usize = 50;
const SERVERS_MAX: usize = 8;

impl Check<'_> {
    /// What a mailbox's own check relies on; `None` unless it is asked for: it sends questions about each sender out of the house,
    /// and a desk that may not would have every mail wait in vain.
    pub(super) fn sender_check(&mut self, path: impl Fn(&str) -> String, mailbox: &Mailbox) -> Option<SenderCheck> {
        let wanted = mailbox.check_senders == Some(true);
        for (key, written) in [("relays", &mailbox.relays), ("trusted_arc_sealers", &mailbox.trusted_arc_sealers)] {
            if written.is_some() && !wanted {
                self.fault(&path(key), "is of use only beside check_senders = true; write that, or leave this out");
            }
        }
        let relays = self.hosts(&path("relays"), mailbox.relays.as_ref(), "write the name that stands behind 'by' in its Received fields");
        let right = "write the domain that stands in d= of its ARC-Seal";
        let trusted_arc_sealers = self.hosts(&path("trusted_arc_sealers"), mailbox.trusted_arc_sealers.as_ref(), right);
        wanted.then_some(SenderCheck { relays, trusted_arc_sealers })
    }

    /// Names of hosts or domains, as A-labels in lower case.
    fn hosts(&mut self, path: &str, written: Option<&Words>, right: &str) -> Vec<String> {
        let written = written.map(|words| words.0.as_slice()).unwrap_or_default();
        if written.len() > NAMES_MAX {
            self.fault(path, format!("has {} names; at most {NAMES_MAX} can be", written.len()));
        }
        let mut names = Vec::new();
        for name in written {
            match EmailAddress::parse(&format!("x@{}", name.strip_suffix('.').unwrap_or(name))) {
                Ok(address) if address.domain().parse::<IpAddr>().is_err() => names.push(address.domain().to_owned()),
                Ok(_) | Err(_) => {
                    let shown: String = name.chars().take(60).collect();
                    self.fault(path, format!("'{}' is no name of a host; {right}", shown.escape_debug()));
                }
            }
        }
        names
    }

    pub(super) fn dns(&mut self, written: &Dns) -> DnsSettings {
        let texts = written.servers.as_ref().map(|words| words.0.as_slice()).unwrap_or_default();
        if texts.len() > SERVERS_MAX {
            self.fault("dns.servers", format!("has {} servers; at most {SERVERS_MAX} can be", texts.len()));
        }
        let mut servers = Vec::new();
        for text in texts {
            if let Ok(server) = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)).or_else(|_| text.parse()) {
                servers.push(server);
            } else {
                let shown: String = text.chars().take(60).collect();
                let wrong = format!("'{}' is no address; write one such as 127.0.0.1 or [::1]:53", shown.escape_debug());
                self.fault("dns.servers", wrong);
            }
        }
        let timeout = self.duration("dns.timeout", written.timeout.as_ref(), TIMEOUT).unwrap_or(TIMEOUT_ELSE);
        DnsSettings { servers, timeout: timeout.unsigned_abs() }
    }
}
