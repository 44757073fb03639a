//! The customers' file in memory: a million rows in little more than their text.
//!
//! Texts of one kind lie one behind the other, each once, and are called by number; a row is numbers. Nothing here is a
//! decision: what follows from rows is in [`super::customer`].

use super::address::EmailAddress;
use super::customer::Customer;
use super::look_alike;
use super::message::Language;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

/// Rows by address, by domain and by organisation. Cheap to clone.
#[derive(Clone, Default)]
pub struct Directory(Arc<Table>);

/// Whose row it is. Address and domain (without the `@`) are in their normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    Address(&'a str),
    Domain(&'a str),
    Organisation(&'a str),
}

/// What a row says. Empty or `None`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    pub name: &'a str,
    pub organisation: &'a str,
    pub plan: &'a str,
    pub tier: Option<&'a str>,
    pub language: Option<Language>,
    /// By whose wall he is told times; one of the time zone database.
    pub zone: Option<&'a TimeZone>,
    pub valid_from: Option<Date>,
    pub valid_until: Option<Date>,
}

/// Why a row is not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// It is there already: the how manieth row of its kind, from zero.
    Twice(usize),
    /// More than four gigabytes of text.
    Full,
}

/// What tells one state of a file from another, without its content: device, inode, size, times. Zero for what a system does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition(pub [i64; 7]);

impl Directory {
    /// Makes room for so many rows of addresses at once.
    pub fn reserve(&mut self, rows: usize) {
        let table = Arc::make_mut(&mut self.0);
        table.addresses.reserve(rows);
        table.of_addresses.reserve(rows);
    }

    /// Gives room back that is not used.
    pub fn shrink(&mut self) {
        let table = Arc::make_mut(&mut self.0);
        for names in [&mut table.addresses, &mut table.domains, &mut table.organisations, &mut table.plans] {
            names.text.shrink_to_fit();
            names.ends.shrink_to_fit();
        }
        table.names.shrink_to_fit();
        table.of_addresses.shrink_to_fit();
        table.of_domains.shrink_to_fit();
    }

    /// Adds a row. Of each kind, the first is number 0.
    ///
    /// # Errors
    /// There is an earlier one, which stays, or it is too much.
    pub fn add(&mut self, whose: Whose<'_>, entry: &Entry<'_>) -> Result<(), RowFault> {
        let table = Arc::make_mut(&mut self.0);
        let known = match whose {
            Whose::Address(address) => table.addresses.find(address),
            Whose::Domain(domain) => table.domains.find(domain),
            Whose::Organisation(name) => {
                table.organisations.find(name).and_then(|at| table.of_organisations.get(&at)).map(|(order, _)| *order)
            }
        };
        if let Some(earlier) = known {
            return Err(RowFault::Twice(earlier as usize));
        }
        let row = table.row(entry).ok_or(RowFault::Full)?;
        match whose {
            Whose::Address(address) => {
                table.addresses.add(address).ok_or(RowFault::Full)?;
                table.of_addresses.push(row);
            }
            Whose::Domain(domain) => {
                let number = table.domains.add(domain).ok_or(RowFault::Full)?;
                table.of_domains.push(row);
                // Of two domains that look alike the first is found.
                let look = look_alike::skeleton(domain);
                if table.looks.find(&look).is_none() {
                    table.looks.add(&look).ok_or(RowFault::Full)?;
                    table.looks_of.push(number);
                }
            }
            Whose::Organisation(name) => {
                let number = table.organisations.add(name).ok_or(RowFault::Full)?;
                let order = u32::try_from(table.of_organisations.len()).map_err(|_| RowFault::Full)?;
                table.of_organisations.insert(number, (order, row));
            }
        }
        Ok(())
    }

    /// Adds the row of one address, unless there is one.
    #[expect(clippy::needless_pass_by_value, reason = "who fills one by hand has no further use for them")]
    pub fn add_address(&mut self, address: EmailAddress, customer: Customer) {
        let _ = self.add(Whose::Address(address.as_str()), &customer.entry());
    }

    /// Adds the row of a whole domain (`@acme.example`), given without the `@`, in its normal form, unless there is one.
    #[expect(clippy::needless_pass_by_value, reason = "who fills one by hand has no further use for them")]
    pub fn add_domain(&mut self, domain: String, customer: Customer) {
        let _ = self.add(Whose::Domain(&domain), &customer.entry());
    }

    /// The row of one address.
    #[must_use]
    pub fn of_address(&self, address: &EmailAddress) -> Option<Entry<'_>> {
        let number = self.0.addresses.find(address.as_str())?;
        self.0.of_addresses.get(number as usize).map(|row| self.0.entry(row))
    }

    /// The row of a whole domain.
    #[must_use]
    pub fn of_domain(&self, domain: &str) -> Option<Entry<'_>> {
        let number = self.0.domains.find(domain)?;
        self.0.of_domains.get(number as usize).map(|row| self.0.entry(row))
    }

    /// The row of an organisation, by its name as it is written.
    #[must_use]
    pub fn of_organisation(&self, name: &str) -> Option<Entry<'_>> {
        let number = self.0.organisations.find(name)?;
        self.0.of_organisations.get(&number).map(|(_, row)| self.0.entry(row))
    }

    /// The row that speaks of an address: its own before its domain's.
    #[must_use]
    pub fn find(&self, address: &EmailAddress) -> Option<Entry<'_>> {
        self.of_address(address).or_else(|| self.of_domain(address.domain()))
    }

    /// A domain with a row that looks so; see [`look_alike::skeleton`].
    #[must_use]
    pub fn domain_like(&self, skeleton: &str) -> Option<&str> {
        let number = self.0.looks.find(skeleton)?;
        self.0.looks_of.get(number as usize).map(|domain| self.0.domains.get(*domain))
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.of_addresses.len() + self.0.of_domains.len() + self.0.of_organisations.len()
    }

    /// Whether it holds no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every tier that some row names.
    pub fn tiers(&self) -> impl Iterator<Item = &str> {
        self.0.tiers.all()
    }

    /// Every plan that some row names.
    pub fn plans(&self) -> impl Iterator<Item = &str> {
        self.0.plans.all()
    }

    /// Every organisation that some row names, or is of.
    pub fn organisations(&self) -> impl Iterator<Item = &str> {
        self.0.organisations.all()
    }

    /// The state of the file that it was read from.
    #[must_use]
    pub fn edition(&self) -> Option<Edition> {
        self.0.edition
    }

    /// Notes the state of the file that it was read from.
    pub fn set_edition(&mut self, edition: Edition) {
        Arc::make_mut(&mut self.0).edition = Some(edition);
    }
}

/// Without its content: these are people.
impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Directory({} rows)", self.len())
    }
}

#[derive(Clone, Default)]
struct Table {
    addresses: Names,
    of_addresses: Vec<Row>,
    domains: Names,
    of_domains: Vec<Row>,
    /// Those that rows name, and those that have a row.
    organisations: Names,
    /// By the organisation's number: the row, and the how manieth it is.
    of_organisations: HashMap<u32, (u32, Row)>,
    /// What the domains look like, and whose each of them is.
    looks: Names,
    looks_of: Vec<u32>,
    plans: Names,
    tiers: Names,
    languages: Vec<Language>,
    /// Names of the zones, and the zones in the same order.
    zone_names: Names,
    zones: Vec<TimeZone>,
    /// Names of customers, one behind the other.
    names: String,
    edition: Option<Edition>,
}

/// No organisation, plan, tier.
const NONE: u32 = u32::MAX;
/// No language, no zone. Of each there are some hundred.
const FEW_NONE: u16 = u16::MAX;

/// A row in numbers.
#[derive(Clone, Copy)]
struct Row {
    /// Where its name begins, and how many octets it has.
    name: u32,
    name_octets: u32,
    organisation: u32,
    plan: u32,
    tier: u32,
    /// The first and the last day there are mean that none was written.
    valid_from: Date,
    valid_until: Date,
    language: u16,
    zone: u16,
}

impl Table {
    fn row(&mut self, entry: &Entry<'_>) -> Option<Row> {
        let number = |names: &mut Names, text: &str| if text.is_empty() { Some(NONE) } else { names.add(text) };
        let row = Row {
            name: u32::try_from(self.names.len()).ok()?,
            name_octets: u32::try_from(entry.name.len()).ok()?,
            organisation: number(&mut self.organisations, entry.organisation)?,
            plan: number(&mut self.plans, entry.plan)?,
            tier: number(&mut self.tiers, entry.tier.unwrap_or_default())?,
            valid_from: entry.valid_from.unwrap_or(Date::MIN),
            valid_until: entry.valid_until.unwrap_or(Date::MAX),
            language: entry.language.map_or(FEW_NONE, |language| self.language(language)),
            zone: entry.zone.map_or(Some(FEW_NONE), |zone| self.zone(zone))?,
        };
        self.names.push_str(entry.name);
        Some(row)
    }

    fn language(&mut self, language: Language) -> u16 {
        let number = self.languages.iter().position(|known| *known == language).unwrap_or_else(|| {
            self.languages.push(language);
            self.languages.len() - 1
        });
        u16::try_from(number).unwrap_or(FEW_NONE)
    }

    /// The number of a zone; one without a name, which no file can have, is none.
    fn zone(&mut self, zone: &TimeZone) -> Option<u16> {
        let Some(name) = zone.iana_name() else { return Some(FEW_NONE) };
        let number = self.zone_names.add(name)?;
        if number as usize == self.zones.len() {
            self.zones.push(zone.clone());
        }
        u16::try_from(number).ok().filter(|number| *number != FEW_NONE)
    }

    fn entry(&self, row: &Row) -> Entry<'_> {
        let name = row.name as usize;
        Entry {
            name: self.names.get(name..name + row.name_octets as usize).unwrap_or_default(),
            organisation: self.organisations.get(row.organisation),
            plan: self.plans.get(row.plan),
            tier: (row.tier != NONE).then(|| self.tiers.get(row.tier)),
            language: self.languages.get(usize::from(row.language)).copied(),
            zone: self.zones.get(usize::from(row.zone)),
            valid_from: Some(row.valid_from).filter(|day| *day != Date::MIN),
            valid_until: Some(row.valid_until).filter(|day| *day != Date::MAX),
        }
    }
}

/// Texts, each once, called by number in the order in which they came.
#[derive(Clone, Default)]
struct Names {
    text: String,
    /// Where each ends, and the next begins.
    ends: Vec<u32>,
    /// A table with open addresses, a power of two long and never full: zero, or half of the hash above the number plus one.
    slots: Vec<u64>,
    hasher: RandomState,
}

impl Names {
    fn get(&self, number: u32) -> &str {
        let at = number as usize;
        let begin = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let Some(end) = self.ends.get(at) else { return "" };
        self.text.get(begin as usize..*end as usize).unwrap_or_default()
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        (0..).map_while(|number: u32| (number as usize).lt(&self.ends.len()).then(|| self.get(number)))
    }

    fn find(&self, text: &str) -> Option<u32> {
        self.place(text, half(self.hasher.hash_one(text))).ok()
    }

    /// The number of a text, new or not; `None` if no more can be called.
    fn add(&mut self, text: &str) -> Option<u32> {
        if self.ends.len() >= self.slots.len() / 4 * 3 {
            self.widen(self.slots.len().max(8) * 2);
        }
        let hash = half(self.hasher.hash_one(text));
        match self.place(text, hash) {
            Ok(number) => Some(number),
            Err(free) => {
                let number = u32::try_from(self.ends.len()).ok().filter(|number| *number < NONE)?;
                let end = u32::try_from(self.text.len() + text.len()).ok()?;
                self.text.push_str(text);
                self.ends.push(end);
                *self.slots.get_mut(free)? = hash << 32 | u64::from(number + 1);
                Some(number)
            }
        }
    }

    fn reserve(&mut self, more: usize) {
        self.ends.reserve(more);
        let wanted = (self.ends.len() + more).saturating_mul(4).div_ceil(3).next_power_of_two();
        if wanted > self.slots.len() {
            self.widen(wanted);
        }
    }

    /// Where a text of this hash is, or would be.
    fn place(&self, text: &str, hash: u64) -> Result<u32, usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = place_of(hash, mask);
        for _ in 0..self.slots.len() {
            let slot = self.slots.get(at).copied().unwrap_or(0);
            if slot == 0 {
                return Err(at);
            }
            let number = u32::try_from(slot & u64::from(u32::MAX)).unwrap_or(0).wrapping_sub(1);
            if slot >> 32 == hash && self.get(number) == text {
                return Ok(number);
            }
            at = (at + 1) & mask;
        }
        Err(0)
    }

    fn widen(&mut self, size: usize) {
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        let mask = size.wrapping_sub(1);
        for slot in old.into_iter().filter(|slot| *slot != 0) {
            let mut at = place_of(slot >> 32, mask);
            while self.slots.get(at).is_some_and(|taken| *taken != 0) {
                at = (at + 1) & mask;
            }
            if let Some(free) = self.slots.get_mut(at) {
                *free = slot;
            }
        }
    }
}

fn half(hash: u64) -> u64 {
    hash >> 32
}

fn place_of(hash: u64, mask: usize) -> usize {
    usize::try_from(hash).unwrap_or(0) & mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn names_are_found_as_in_a_map(texts in proptest::collection::vec("[a-c]{0,4}", 0..200), asked in proptest::collection::vec("[a-d]{0,4}", 0..50), room in 0_usize..40) {
            let (mut names, mut model) = (Names::default(), BTreeMap::new());
            names.reserve(room);
            for text in &texts {
                let next = u32::try_from(model.len()).unwrap();
                let number = *model.entry(text.clone()).or_insert(next);
                prop_assert_eq!(names.add(text), Some(number));
            }
            for (text, number) in &model {
                prop_assert_eq!((names.find(text), names.get(*number)), (Some(*number), text.as_str()));
            }
            for text in &asked {
                prop_assert_eq!(names.find(text), model.get(text).copied());
            }
            prop_assert_eq!(names.all().count(), model.len());
        }
    }

    #[test]
    fn a_row_comes_out_as_it_went_in() {
        let mut directory = Directory::default();
        let lisbon = TimeZone::get("Europe/Lisbon").unwrap();
        let full = Entry {
            name: "João",
            organisation: "Acme",
            plan: "extended",
            tier: Some("advanced"),
            language: Language::parse("pt"),
            zone: Some(&lisbon),
            valid_from: Some(jiff::civil::date(2026, 1, 1)),
            valid_until: Some(jiff::civil::date(2026, 12, 31)),
        };
        for (whose, entry) in [
            (Whose::Address("joao@acme.example"), full),
            (Whose::Address("x@acme.example"), Entry::default()),
            (Whose::Domain("acme.example"), Entry { name: "", ..full }),
            (Whose::Organisation("Acme"), Entry { name: "", ..full }),
            (Whose::Organisation("Other"), Entry::default()),
        ] {
            assert_eq!(directory.add(whose, &entry), Ok(()));
            let found = match whose {
                Whose::Address(text) => directory.of_address(&EmailAddress::parse(text).unwrap()),
                Whose::Domain(text) => directory.of_domain(text),
                Whose::Organisation(text) => directory.of_organisation(text),
            };
            assert_eq!(found, Some(entry), "{whose:?}");
        }
        for (whose, earlier) in
            [(Whose::Address("x@acme.example"), 1), (Whose::Domain("acme.example"), 0), (Whose::Organisation("Other"), 1)]
        {
            assert_eq!(directory.add(whose, &full), Err(RowFault::Twice(earlier)), "{whose:?}");
        }
        assert_eq!(directory.of_address(&EmailAddress::parse("x@acme.example").unwrap()), Some(Entry::default()), "the first stays");
        assert_eq!((directory.len(), directory.of_organisation("acme"), directory.of_domain("b.example")), (5, None, None));
        assert_eq!(directory.domain_like(&look_alike::skeleton("acme.example")), Some("acme.example"));
        assert!(std::mem::size_of::<Row>() <= 32, "a million of them");
    }
}
