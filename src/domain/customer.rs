//! Who writes: the customer directory, and the tier that follows from it.

use super::address::EmailAddress;
use super::look_alike;
use super::message::Language;
use super::policy::Policy;
use super::verdict::Judgement;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::HashMap;

/// One row of `customers.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Customer {
    pub name: String,
    pub organisation: String,
    pub plan: String,
    /// Overrides what the plan gives.
    pub tier: Option<String>,
    pub language: Option<Language>,
    /// Last day of the contract; after it the row gives its name and language, but no tier.
    pub valid_until: Option<Date>,
}

/// Rows by address and by domain.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    by_address: HashMap<EmailAddress, Customer>,
    by_domain: HashMap<String, Customer>,
    /// The rows of domains by what they look like.
    looks: HashMap<String, String>,
}

/// What the desk believes of a sender, and why (P9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub name: String,
    pub organisation: String,
    pub plan: String,
    pub tier: String,
    pub language: Option<Language>,
    pub why: String,
}

impl Directory {
    /// Adds the row of one address; the later of two rows wins and the earlier is returned.
    pub fn add_address(&mut self, address: EmailAddress, customer: Customer) -> Option<Customer> {
        self.by_address.insert(address, customer)
    }

    /// Adds the row of a whole domain (`@acme.example`), given without the `@`, in its normal form.
    pub fn add_domain(&mut self, domain: String, customer: Customer) -> Option<Customer> {
        self.looks.insert(look_alike::skeleton(&domain), domain.clone());
        self.by_domain.insert(domain, customer)
    }

    /// A domain with a row that looks so; see [`look_alike::skeleton`].
    #[must_use]
    pub fn domain_like(&self, skeleton: &str) -> Option<&str> {
        self.looks.get(skeleton).map(String::as_str)
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_address.len() + self.by_domain.len()
    }

    /// Whether it holds no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row that speaks of an address: its own before its domain's.
    #[must_use]
    pub fn find(&self, address: &EmailAddress) -> Option<(&Customer, &'static str)> {
        self.by_address
            .get(address)
            .map(|customer| (customer, "address"))
            .or_else(|| self.by_domain.get(address.domain()).map(|customer| (customer, "domain")))
    }

    /// Makes room for this many rows of addresses at once.
    pub fn reserve(&mut self, rows: usize) {
        self.by_address.reserve(rows);
    }
}

impl Policy {
    /// Who a sender is and which tier is his. A tier comes from the row of his address, else from that of his domain; in
    /// each from the tier that it names, else from its plan; a row past its last day gives none. Whoever has none gets
    /// the first tier. `address` is `None` for a visitor that gave none.
    ///
    /// The caller answers for the address: one that was not proved belongs to nobody.
    #[must_use]
    pub fn know(&self, address: Option<&EmailAddress>, today: Date) -> Known {
        let Some(address) = address else { return self.stranger("no address is known") };
        let own = self.customers.by_address.get(address).map(|row| (row, address.to_string()));
        let domain = self.customers.by_domain.get(address.domain()).map(|row| (row, format!("@{}", address.domain())));
        if own.is_none() && domain.is_none() {
            return self.stranger(&format!("neither {address} nor its domain is in the customers' file"));
        }
        // The rows that speak of him, his own first.
        let rows: Vec<_> = own.iter().chain(domain.iter()).collect();
        let mut reasons = Vec::new();
        let tier = rows.iter().find_map(|(row, who)| match self.tier_of(row, who, today) {
            Ok((tier, why)) => {
                reasons.push(why);
                Some(tier)
            }
            Err(why) => {
                reasons.push(why);
                None
            }
        });
        if tier.is_none() {
            reasons.push(format!("the first tier is {}", self.first_tier()));
        }
        let first = |field: fn(&Customer) -> &String| rows.iter().map(|(row, _)| field(row)).find(|text| !text.is_empty()).cloned();
        Known {
            // The name of a domain's row is not that of whoever writes from it.
            name: own.as_ref().map(|(row, _)| row.name.clone()).unwrap_or_default(),
            organisation: first(|row| &row.organisation).unwrap_or_default(),
            plan: first(|row| &row.plan).unwrap_or_default(),
            tier: tier.unwrap_or_else(|| self.first_tier().to_owned()),
            language: rows.iter().find_map(|(row, _)| row.language),
            why: reasons.join("; "),
        }
    }

    /// [`Policy::know`] at a moment: a contract's last day is one of UTC.
    #[must_use]
    pub fn know_at(&self, address: Option<&EmailAddress>, now: Timestamp) -> Known {
        self.know(address, now.to_zoned(TimeZone::UTC).date())
    }

    /// [`Policy::know_at`] for whoever wrote a mail: one who is known not to be who he claims is nobody.
    #[must_use]
    pub fn know_sender(&self, address: Option<&EmailAddress>, judgement: &Judgement, now: Timestamp) -> Known {
        if judgement.has_failed() {
            return self.stranger(&format!("the sender is not believed: {}", judgement.sentence()));
        }
        self.know_at(address, now)
    }

    /// The tier that one row gives, with the reason; or why it gives none.
    fn tier_of(&self, row: &Customer, who: &str, today: Date) -> Result<(String, String), String> {
        if let Some(last) = row.valid_until.filter(|last| *last < today) {
            return Err(format!("the contract of {who} ended on {last}"));
        }
        if let Some(tier) = &row.tier {
            return Ok((tier.clone(), format!("{who} is given tier {tier}")));
        }
        if row.plan.is_empty() {
            return Err(format!("{who} has neither tier nor plan"));
        }
        match self.tiers.iter().find(|tier| tier.plans.contains(&row.plan)) {
            Some(tier) => Ok((tier.name.clone(), format!("plan '{}' of {who} gives tier {}", row.plan, tier.name))),
            None => Err(format!("plan '{}' of {who} gives no tier", row.plan)),
        }
    }

    fn stranger(&self, why: &str) -> Known {
        Known {
            name: String::new(),
            organisation: String::new(),
            plan: String::new(),
            tier: self.first_tier().to_owned(),
            language: None,
            why: format!("{why}; the first tier is {}", self.first_tier()),
        }
    }

    /// What a stranger gets. The configuration's check sees to it that there is one.
    fn first_tier(&self) -> &str {
        self.tiers.first().map_or("standard", |tier| &tier.name)
    }
}
