//! Who writes: the customer directory, and the tier that follows from it.

use super::address::EmailAddress;
use super::message::Language;
use jiff::civil::Date;
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
        self.by_domain.insert(domain, customer)
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
}
