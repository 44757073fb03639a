//! Who writes: the tier that follows from the customers' file and, where there is one, from a look-up in another system.

use super::address::EmailAddress;
use super::directory::Entry;
use super::message::Language;
use super::policy::Policy;
use super::verdict::Judgement;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

pub use super::directory::Directory;

/// What is known of one customer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Customer {
    pub name: String,
    pub organisation: String,
    pub plan: String,
    /// Overrides what the plan gives.
    pub tier: Option<String>,
    pub language: Option<Language>,
    /// By whose wall he is told times; that of the desk's calendars where it is not written.
    pub zone: Option<TimeZone>,
    /// First day of the contract; before it the row gives its name, language and time zone, but neither tier nor plan.
    pub valid_from: Option<Date>,
    /// Last day of the contract; after it likewise.
    pub valid_until: Option<Date>,
}

impl Customer {
    /// The same, borrowed.
    #[must_use]
    pub fn entry(&self) -> Entry<'_> {
        Entry {
            name: &self.name,
            organisation: &self.organisation,
            plan: &self.plan,
            tier: self.tier.as_deref(),
            language: self.language,
            zone: self.zone.as_ref(),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
        }
    }
}

/// What another system said when it was asked about an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookedUp {
    Found(Customer),
    /// It knows nobody of that address.
    Nobody,
    /// There is no answer, or none that makes sense. Reads after "the look-up": `gave no answer within 300 ms`.
    Failed(String),
}

/// What the desk believes of a sender, and why (P9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub name: String,
    pub organisation: String,
    pub plan: String,
    pub tier: String,
    pub language: Option<Language>,
    /// By whose wall he is told times.
    pub zone: Option<TimeZone>,
    pub why: String,
}

/// A row that may give a tier, and what people call whom it is of.
struct Source<'a> {
    entry: Entry<'a>,
    who: String,
}

impl Policy {
    /// Who a sender is and which tier is his. A tier comes from, in this order:
    ///
    /// 1. the row of his address, if it names one;
    /// 2. the row of his organisation, if it names one;
    /// 3. the plan of the row of his address, else that of his organisation's row;
    /// 4. the row of his domain: the tier that it names, else that of its plan;
    /// 5. the first tier, which whoever has none gets.
    ///
    /// A row gives neither tier nor plan before its first day or after its last. His organisation is the one that the row of his
    /// address names, else that of his domain. Language, time zone, plan and organisation come in the same order. What another system said of
    /// him stands in the place of his address's row. `address` is `None` for a visitor that gave none.
    ///
    /// The caller answers for the address: one that was not proved belongs to nobody.
    #[must_use]
    pub fn know(&self, address: Option<&EmailAddress>, looked_up: Option<&LookedUp>, today: Date) -> Known {
        let Some(address) = address else { return self.stranger("no address is known") };
        let mut reasons = Vec::new();
        let looked_up = match looked_up {
            None => None,
            Some(LookedUp::Found(customer)) => match self.doubt(customer) {
                None => Some(customer.entry()),
                Some(doubt) => {
                    reasons.push(format!("the look-up {doubt}"));
                    None
                }
            },
            Some(LookedUp::Nobody) => {
                reasons.push("the look-up knows nobody of that address".to_owned());
                None
            }
            Some(LookedUp::Failed(why)) => {
                reasons.push(format!("the look-up {why}"));
                None
            }
        };
        let in_file = self.customers.of_address(address);
        let domain = self.customers.of_domain(address.domain());
        if looked_up.is_none() && in_file.is_none() && domain.is_none() {
            reasons.push(format!("neither {address} nor its domain is in the customers' file"));
            return self.stranger(&reasons.join("; "));
        }
        let texts = |field: fn(&Entry<'_>) -> bool| [looked_up, in_file, domain].into_iter().flatten().find(field);
        let organisation_name = texts(|entry| !entry.organisation.is_empty()).map(|entry| entry.organisation).unwrap_or_default();
        let own = looked_up
            .map(|entry| Source { entry, who: format!("{address} in the look-up") })
            .or_else(|| in_file.map(|entry| Source { entry, who: address.to_string() }));
        let organisation = self
            .customers
            .of_organisation(organisation_name)
            .map(|entry| Source { entry, who: format!("organisation '{organisation_name}'") });
        let domain = domain.map(|entry| Source { entry, who: format!("@{}", address.domain()) });

        let tier = self.tier(own.as_ref(), organisation.as_ref(), domain.as_ref(), today, &mut reasons);
        let entries = || [&own, &organisation, &domain].into_iter().flatten().map(|source| &source.entry);
        let plan = entries().map(|entry| entry.plan).find(|plan| !plan.is_empty()).unwrap_or_default();
        // The name of a domain's row is not that of whoever writes from it.
        let name = looked_up.iter().chain(&in_file).map(|entry| entry.name).find(|name| !name.is_empty()).unwrap_or_default();
        Known {
            name: name.to_owned(),
            organisation: organisation_name.to_owned(),
            plan: plan.to_owned(),
            tier,
            language: looked_up.iter().chain(&in_file).chain(entries()).find_map(|entry| entry.language),
            zone: looked_up.iter().chain(&in_file).chain(entries()).find_map(|entry| entry.zone).cloned(),
            why: reasons.join("; "),
        }
    }

    /// [`Policy::know`] by the file alone, at a moment: days of contracts are those of UTC.
    #[must_use]
    pub fn know_at(&self, address: Option<&EmailAddress>, now: Timestamp) -> Known {
        self.know(address, None, now.to_zoned(TimeZone::UTC).date())
    }

    /// [`Policy::know`] for whoever wrote a mail: one who is known not to be who he claims is nobody.
    #[must_use]
    pub fn know_sender(
        &self,
        address: Option<&EmailAddress>,
        judgement: &Judgement,
        looked_up: Option<&LookedUp>,
        now: Timestamp,
    ) -> Known {
        if judgement.has_failed() {
            return self.stranger(&format!("the sender is not believed: {}", judgement.sentence()));
        }
        self.know(address, looked_up, now.to_zoned(TimeZone::UTC).date())
    }

    /// Why what a look-up found is not believed, as it reads after "the look-up"; `None` if it is.
    #[must_use]
    pub fn doubt(&self, customer: &Customer) -> Option<String> {
        let tier = customer.tier.as_ref().filter(|tier| !self.tiers.iter().any(|known| known.name == **tier))?;
        Some(format!("names tier '{tier}', which is none of the configuration"))
    }

    /// The tier that the rows give, in their order; each that could have given one and does not leaves its reason.
    fn tier(
        &self,
        own: Option<&Source<'_>>,
        organisation: Option<&Source<'_>>,
        domain: Option<&Source<'_>>,
        today: Date,
        reasons: &mut Vec<String>,
    ) -> String {
        let own = own.filter(|source| source.holds(today, reasons));
        let named = |source: Option<&Source<'_>>, reasons: &mut Vec<String>| {
            let (who, tier) = source.and_then(|source| Some((&source.who, source.entry.tier?)))?;
            reasons.push(format!("{who} is given tier {tier}"));
            Some(tier.to_owned())
        };
        if let Some(tier) = named(own, reasons) {
            return tier;
        }
        let organisation = organisation.filter(|source| source.holds(today, reasons));
        if let Some(tier) = named(organisation, reasons) {
            return tier;
        }
        if let Some(tier) = [own, organisation].into_iter().flatten().find_map(|source| self.of_plan(source, reasons)) {
            return tier;
        }
        let domain = domain.filter(|source| source.holds(today, reasons));
        if let Some(tier) = named(domain, reasons) {
            return tier;
        }
        if let Some(tier) = domain.and_then(|source| self.of_plan(source, reasons)) {
            return tier;
        }
        reasons.push(format!("the first tier is {}", self.first_tier()));
        self.first_tier().to_owned()
    }

    /// The tier that the plan of a row without a tier gives.
    fn of_plan(&self, Source { entry, who }: &Source<'_>, reasons: &mut Vec<String>) -> Option<String> {
        let plan = entry.plan;
        if plan.is_empty() {
            reasons.push(format!("{who} has neither tier nor plan"));
            return None;
        }
        let tier = self.tiers.iter().find(|tier| tier.plans.iter().any(|known| known == plan));
        reasons.push(match tier {
            Some(tier) => format!("plan '{plan}' of {who} gives tier {}", tier.name),
            None => format!("plan '{plan}' of {who} gives no tier"),
        });
        tier.map(|tier| tier.name.clone())
    }

    fn stranger(&self, why: &str) -> Known {
        Known {
            name: String::new(),
            organisation: String::new(),
            plan: String::new(),
            tier: self.first_tier().to_owned(),
            language: None,
            zone: None,
            why: format!("{why}; the first tier is {}", self.first_tier()),
        }
    }

    /// What a stranger gets. The configuration's check sees to it that there is one.
    fn first_tier(&self) -> &str {
        self.tiers.first().map_or("standard", |tier| &tier.name)
    }
}

impl Source<'_> {
    /// Whether its contract runs; the reason if not.
    fn holds(&self, today: Date, reasons: &mut Vec<String>) -> bool {
        let Entry { valid_from, valid_until, .. } = self.entry;
        let (early, late) = (valid_from.filter(|first| today < *first), valid_until.filter(|last| *last < today));
        reasons.extend(early.map(|first| format!("the contract of {} begins on {first}", self.who)));
        reasons.extend(late.map(|last| format!("the contract of {} ended on {last}", self.who)));
        early.is_none() && late.is_none()
    }
}
