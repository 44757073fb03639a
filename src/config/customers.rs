//! `customers.csv`: a header of column names, then a row for each address, for a whole domain as `@acme.example`, or for a whole
//! organisation, whose address is empty.

use super::fault::{Fault, unknown};
use super::zones;
use crate::domain::address::EmailAddress;
use crate::domain::customer::Directory;
use crate::domain::directory::{Edition, Entry, RowFault, Whose};
use crate::domain::message::Language;
use crate::domain::policy::Tier;
use csv::{ReaderBuilder, StringRecord};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The columns, in the order of the documents; `address` alone has to be there.
const COLUMNS: [&str; 9] = ["address", "name", "organisation", "plan", "tier", "language", "zone", "valid_from", "valid_until"];

/// Faults that are told of one file; past that it is another kind of file.
const FAULTS_MAX: usize = 100;

/// Longest field, in octets: what is longer is no name (P11).
const FIELD_OCTETS_MAX: usize = 1_000;

/// Largest file, in octets: some fifteen million rows.
const FILE_OCTETS_MAX: u64 = 1 << 30;

/// Octets of a row that is short: with it, the table is large enough at once, instead of growing while it is filled.
const ROW_OCTETS_MIN: u64 = 50;

/// The state of a file, to be compared with that of what was read; `None` if it cannot be seen.
pub(super) fn edition_of(path: &Path) -> Option<Edition> {
    std::fs::metadata(path).ok().map(|metadata| edition(&metadata))
}

fn edition(of: &Metadata) -> Edition {
    let number = |value: u64| i64::from_ne_bytes(value.to_ne_bytes());
    Edition([number(of.dev()), number(of.ino()), number(of.size()), of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec()])
}

/// Reads the file; its faults are noted with the line, and the column as key. Where it is still that of `in_force`, and all that it
/// names is there, it is not read again.
///
/// # Errors
/// A sentence, if the file cannot be opened, or is being written.
pub(super) fn load(path: &Path, tiers: &[Tier], in_force: Option<&Directory>, faults: &mut Vec<Fault>) -> Result<Directory, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    // Before it is opened: to open a pipe would wait for its other end.
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return Err("is no file".to_owned());
    }
    if metadata.len() > FILE_OCTETS_MAX {
        return Err(format!("has {} octets, which is more than {FILE_OCTETS_MAX}", metadata.len()));
    }
    let file = File::open(path).map_err(cannot)?;
    let before = edition(&file.metadata().map_err(cannot)?);
    if let Some(same) = in_force.filter(|directory| directory.edition() == Some(before) && is_known(directory, tiers)) {
        return Ok(same.clone());
    }
    let rows = usize::try_from(metadata.len() / ROW_OCTETS_MIN).unwrap_or(0);
    let mut directory = read(&path.display().to_string(), BufReader::with_capacity(1 << 16, &file), rows, tiers, faults);
    if edition(&file.metadata().map_err(cannot)?) != before {
        return Err("was written while it was read; write it elsewhere and rename it into its place".to_owned());
    }
    directory.shrink();
    directory.set_edition(before);
    Ok(directory)
}

/// Whether each tier and plan of the rows is one of the configuration's.
fn is_known(directory: &Directory, tiers: &[Tier]) -> bool {
    let is_plan = |plan: &str| tiers.iter().any(|tier| tier.plans.iter().any(|known| known == plan));
    let plans_are_used = tiers.iter().any(|tier| !tier.plans.is_empty());
    directory.tiers().all(|name| tiers.iter().any(|tier| tier.name == name)) && (!plans_are_used || directory.plans().all(is_plan))
}

fn read(name: &str, mut input: BufReader<impl Read>, rows: usize, tiers: &[Tier], faults: &mut Vec<Fault>) -> Directory {
    let plans_are_used = tiers.iter().any(|tier| !tier.plans.is_empty());
    let mut reading = Reading { name, faults, told: 0, tiers, plans_are_used, lines: Lines::default(), zones: HashMap::new() };
    let mut directory = Directory::default();
    directory.reserve(rows.min(10_000_000));
    // Spreadsheets of countries with a decimal comma write semicolons.
    let head = input.fill_buf().unwrap_or_default();
    let head = head.split(|b| *b == b'\n').next().unwrap_or_default();
    let delimiter = if head.contains(&b';') && !head.contains(&b',') { b';' } else { b',' };
    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(input);
    let Some(places) = reader.headers().map_err(|error| reading.csv(&error)).ok().and_then(|header| reading.header(header)) else {
        return directory;
    };
    let mut record = StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) if reading.told >= FAULTS_MAX => {
                let line = record.position().map_or(0, csv::Position::line);
                reading.fault(line, "row", format!("is not looked at any more, after {FAULTS_MAX} faults; mend those first"));
                break;
            }
            Ok(true) => reading.row(&record, &places, &mut directory),
            Ok(false) => break,
            Err(error) => {
                // After a row that is no text the next one is read; after a failure of the disk there is none.
                reading.csv(&error);
                if error.is_io_error() || reading.told > FAULTS_MAX {
                    break;
                }
            }
        }
    }
    directory
}

/// Where each of [`COLUMNS`] stands in a row.
struct Places {
    columns: [Option<usize>; COLUMNS.len()],
    count: usize,
}

/// On which lines the rows of each kind stand, in their order.
#[derive(Default)]
struct Lines {
    addresses: Vec<u32>,
    domains: Vec<u32>,
    organisations: Vec<u32>,
}

impl Lines {
    fn of(&mut self, whose: Whose<'_>) -> &mut Vec<u32> {
        match whose {
            Whose::Address(_) => &mut self.addresses,
            Whose::Domain(_) => &mut self.domains,
            Whose::Organisation(_) => &mut self.organisations,
        }
    }
}

struct Reading<'a> {
    name: &'a str,
    faults: &'a mut Vec<Fault>,
    told: usize,
    tiers: &'a [Tier],
    plans_are_used: bool,
    lines: Lines,
    /// Those that were named so far: a million rows name few.
    zones: HashMap<String, TimeZone>,
}

impl Reading<'_> {
    fn fault(&mut self, line: u64, column: &str, message: impl Into<String>) {
        self.told += 1;
        let (line, key) = (u32::try_from(line).ok(), column.to_owned());
        self.faults.push(Fault { file: self.name.to_owned(), line, key, message: message.into() });
    }

    fn csv(&mut self, error: &csv::Error) {
        let line = error.position().map_or(1, csv::Position::line);
        let is_text = !matches!(error.kind(), csv::ErrorKind::Utf8 { .. });
        let message = if is_text { error.to_string() } else { "is no UTF-8; save the file as UTF-8".to_owned() };
        self.fault(line, "row", message);
    }

    fn header(&mut self, header: &StringRecord) -> Option<Places> {
        let mut places = Places { columns: [None; COLUMNS.len()], count: header.len() };
        let told = self.told;
        for (at, column) in header.iter().enumerate() {
            let column = column.trim().to_lowercase();
            match COLUMNS.iter().position(|known| *known == column).and_then(|known| places.columns.get_mut(known)) {
                Some(place @ None) => *place = Some(at),
                Some(Some(_)) => self.fault(1, &column, "this column is there twice"),
                None => self.fault(1, &column, unknown("column", &column, COLUMNS)),
            }
        }
        if let [None, ..] = places.columns {
            self.fault(1, "address", format!("this column is missing; the first line has to name the columns: {}", COLUMNS.join(",")));
        }
        (self.told == told).then_some(places)
    }

    fn row(&mut self, record: &StringRecord, places: &Places, directory: &mut Directory) {
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().all(|field| field.trim().is_empty()) {
            return;
        }
        if record.len() != places.count {
            self.fault(line, "row", format!("has {} fields; the header has {}", record.len(), places.count));
            return;
        }
        let [address, name, organisation, plan, tier, language, zone, valid_from, valid_until] =
            places.columns.map(|at| at.and_then(|at| record.get(at)).unwrap_or_default().trim());
        for (column, field) in [("name", name), ("organisation", organisation), ("plan", plan)] {
            if field.len() > FIELD_OCTETS_MAX {
                self.fault(line, column, format!("is longer than {FIELD_OCTETS_MAX} octets"));
            } else if field.chars().any(char::is_control) {
                self.fault(line, column, "has a line break or another control character");
            }
        }
        let tiers = self.tiers;
        if !tier.is_empty() && !tiers.iter().any(|known| known.name == tier) {
            self.fault(line, "tier", unknown("tier", tier, tiers.iter().map(|tier| tier.name.as_str())));
        }
        if self.plans_are_used && !plan.is_empty() && !tiers.iter().any(|tier| tier.plans.iter().any(|known| known == plan)) {
            self.fault(line, "plan", unknown("plan", plan, tiers.iter().flat_map(|tier| tier.plans.iter().map(String::as_str))));
        }
        let zone = self.zone(line, zone);
        let entry = Entry {
            name,
            organisation,
            plan,
            tier: (!tier.is_empty()).then_some(tier),
            language: self.optional(line, "language", language, Language::parse, "is no language; write two letters such as en"),
            zone: zone.as_ref(),
            valid_from: self.day(line, "valid_from", valid_from),
            valid_until: self.day(line, "valid_until", valid_until),
        };
        if let (Some(first), Some(last)) = (entry.valid_from, entry.valid_until)
            && last < first
        {
            self.fault(line, "valid_until", format!("{last} is before valid_from, {first}; exchange them, or leave one empty"));
        }
        self.add(line, address, &entry, directory);
    }

    /// Adds a row to those of its kind.
    fn add(&mut self, line: u64, address: &str, entry: &Entry<'_>, directory: &mut Directory) {
        if address.is_empty() {
            if entry.organisation.is_empty() {
                self.fault(line, "address", "is empty; write name@domain, @domain, or an organisation for all of it");
            } else if entry.name.is_empty() {
                self.put(line, Whose::Organisation(entry.organisation), entry.organisation, entry, directory);
            } else {
                self.fault(line, "name", "a row without address is a whole organisation's, which has no name beside it; leave it empty");
            }
            return;
        }
        let parsed = match address.strip_prefix('@') {
            // A domain's normal form is that of an address in it.
            Some(domain) => EmailAddress::parse(&format!("x@{domain}")),
            None => EmailAddress::parse(address),
        };
        match parsed {
            Ok(parsed) if address.starts_with('@') => self.put(line, Whose::Domain(parsed.domain()), address, entry, directory),
            Ok(parsed) => self.put(line, Whose::Address(parsed.as_str()), address, entry, directory),
            Err(wrong) => self.fault(line, "address", format!("'{address}' {wrong}; write name@domain, or @domain")),
        }
    }

    fn put(&mut self, line: u64, whose: Whose<'_>, shown: &str, entry: &Entry<'_>, directory: &mut Directory) {
        match directory.add(whose, entry) {
            Ok(()) => self.lines.of(whose).push(u32::try_from(line).unwrap_or(u32::MAX)),
            Err(RowFault::Twice(earlier)) => {
                let earlier = self.lines.of(whose).get(earlier).copied().unwrap_or(1);
                let column = if matches!(whose, Whose::Organisation(_)) { "organisation" } else { "address" };
                self.fault(line, column, format!("'{shown}' has a row in line {earlier} already; leave one of them"));
            }
            Err(RowFault::Full) => self.fault(line, "row", "is one too many: the texts of all rows have more than four gigabytes"),
        }
    }

    fn zone(&mut self, line: u64, name: &str) -> Option<TimeZone> {
        if name.is_empty() {
            return None;
        }
        if let Some(known) = self.zones.get(name) {
            return Some(known.clone());
        }
        if let Some(zone) = zones::named(name) {
            self.zones.insert(name.to_owned(), zone.clone()).or(Some(zone))
        } else {
            self.fault(line, "zone", zones::unknown(&name.chars().take(40).collect::<String>()));
            None
        }
    }

    fn day(&mut self, line: u64, column: &str, text: &str) -> Option<Date> {
        self.optional(line, column, text, |text| text.parse::<Date>().ok(), "is no day; write it as 2026-12-31")
    }

    fn optional<T>(&mut self, line: u64, column: &str, text: &str, read: impl Fn(&str) -> Option<T>, wrong: &str) -> Option<T> {
        let value = if text.is_empty() { return None } else { read(text) };
        if value.is_none() {
            self.fault(line, column, format!("'{}' {wrong}", text.chars().take(40).collect::<String>()));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::customer::Customer;
    use crate::domain::ticket::Priority;

    fn tiers() -> Vec<Tier> {
        let tier = |name: &str, plans: &[&str]| Tier {
            name: name.to_owned(),
            plans: plans.iter().map(|plan| (*plan).to_owned()).collect(),
            priority: Priority::Medium,
            checkin_after: Vec::new(),
        };
        vec![tier("basic", &[]), tier("advanced", &["extended"])]
    }

    fn read_text(text: &[u8]) -> (Directory, Vec<String>) {
        let mut faults = Vec::new();
        let directory = read("c.csv", BufReader::new(text), 0, &tiers(), &mut faults);
        (directory, faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn rows_are_read_by_the_names_of_their_columns() {
        let text =
            "\u{feff}Plan, address ,name,valid_until\r\nextended,Ana@Acme.Example,\"Souza, Ana\",2026-12-31\r\n\r\n,@Bücher.example,,\r\n";
        let (directory, faults) = read_text(text.as_bytes());
        assert_eq!((faults, directory.len()), (Vec::new(), 2));
        let ana = directory.of_address(&EmailAddress::parse("ana@acme.example").unwrap()).unwrap();
        assert_eq!((ana.name, ana.plan), ("Souza, Ana", "extended"));
        assert_eq!(ana.valid_until, Some(jiff::civil::date(2026, 12, 31)));
        assert!(directory.find(&EmailAddress::parse("x@bücher.example").unwrap()).is_some(), "domains in one form");
    }

    #[test]
    fn spreadsheets_with_decimal_commas_are_read() {
        let (directory, faults) = read_text("address;name\nana@acme.example;Souza, Ana\n".as_bytes());
        assert_eq!((faults, directory.len()), (Vec::new(), 1));
    }

    #[test]
    fn p12_each_fault_has_line_and_column() {
        #[rustfmt::skip]
        let table: &[(&str, &[&str], &str)] = &[
            ("adress,name\n", &[
                "c.csv:1: adress: unknown column 'adress'; did you mean 'address'? known are: address, name, organisation, plan, tier, language, zone, valid_from, valid_until",
                "c.csv:1: address: this column is missing; the first line has to name the columns: address,name,organisation,plan,tier,language,zone,valid_from,valid_until",
            ], "mistyped"),
            ("address,name,Name\n", &["c.csv:1: name: this column is there twice"], "twice"),
            ("", &["c.csv:1: address: this column is missing; the first line has to name the columns: address,name,organisation,plan,tier,language,zone,valid_from,valid_until"], "an empty file"),
            ("address,name\na@b.example\n", &["c.csv:2: row: has 1 fields; the header has 2"], "a field too few"),
            ("address\nana\n", &["c.csv:2: address: 'ana' is not of the form name@domain; write name@domain, or @domain"], "no address"),
            ("address\n@\n", &["c.csv:2: address: '@' is not of the form name@domain; write name@domain, or @domain"], "no domain"),
            ("address,name\na@b.example,\nc@b.example,\nA@b.example,\n", &["c.csv:4: address: 'A@b.example' has a row in line 2 already; leave one of them"], "twice; the later row"),
            ("address,name\n@b.example,\n@B.example,\n", &["c.csv:3: address: '@B.example' has a row in line 2 already; leave one of them"], "a domain twice"),
            ("address,organisation\na@b.example,Acme\n,Acme\n,Other\n,Acme\n", &["c.csv:5: organisation: 'Acme' has a row in line 3 already; leave one of them"], "an organisation twice"),
            ("address,name,organisation\n,Ana,\n,Ana,Acme\n", &[
                "c.csv:2: address: is empty; write name@domain, @domain, or an organisation for all of it",
                "c.csv:3: name: a row without address is a whole organisation's, which has no name beside it; leave it empty",
            ], "whose row it is"),
            ("address,valid_from,valid_until\na@b.example,2027-01-01,2026-12-31\nb@b.example,2026-12-31,2026-12-31\n", &[
                "c.csv:2: valid_until: 2026-12-31 is before valid_from, 2027-01-01; exchange them, or leave one empty",
            ], "never valid; one day is"),
            ("address,valid_from\na@b.example,2026-02-30\n", &["c.csv:2: valid_from: '2026-02-30' is no day; write it as 2026-12-31"], "no such day"),
            ("address,tier\na@b.example,advancd\n", &["c.csv:2: tier: unknown tier 'advancd'; did you mean 'advanced'? known are: basic, advanced"], "unknown tier"),
            ("address,plan\na@b.example,extendd\n", &["c.csv:2: plan: unknown plan 'extendd'; did you mean 'extended'? known are: extended"], "unknown plan"),
            ("address,zone\na@b.example,Europe/Lisboa\nb@b.example,lisbon\nc@b.example,UTC+3\nd@b.example,europe/tallinn\n", &[
                "c.csv:2: zone: unknown time zone 'Europe/Lisboa'; did you mean 'Europe/Lisbon'?",
                "c.csv:3: zone: unknown time zone 'lisbon'; did you mean 'Europe/Lisbon'?",
                "c.csv:4: zone: unknown time zone 'UTC+3'; did you mean 'UTC'?",
            ], "no such zones; case is no fault"),
            ("address,language,valid_until\na@b.example,english,31.12.2026\n", &[
                "c.csv:2: language: 'english' is no language; write two letters such as en",
                "c.csv:2: valid_until: '31.12.2026' is no day; write it as 2026-12-31",
            ], "all of a row"),
            ("address,name\n\"a\nb@c.example\",\nx,\n", &[
                "c.csv:2: address: 'a\nb@c.example' holds a character that an unquoted address cannot have; write name@domain, or @domain",
                "c.csv:4: address: 'x' is not of the form name@domain; write name@domain, or @domain",
            ], "rows over two lines are counted"),
        ];
        for (text, expect, why) in table {
            assert_eq!(read_text(text.as_bytes()).1, *expect, "{why}");
        }
        let (directory, faults) = read_text(b"address,name\na@b.example,\xff\nc@b.example,x\n");
        assert_eq!(faults, ["c.csv:2: row: is no UTF-8; save the file as UTF-8"]);
        assert_eq!(directory.len(), 1, "the rows behind it are read");
        let many = (0..1000).fold("address\n".to_owned(), |mut all, _| {
            all.push_str("x\n");
            all
        });
        let faults = read_text(many.as_bytes()).1;
        let last = "c.csv:102: row: is not looked at any more, after 100 faults; mend those first";
        assert_eq!((faults.len(), faults.last().map(String::as_str)), (FAULTS_MAX + 1, Some(last)));
    }

    #[test]
    fn a_file_that_has_not_changed_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.csv");
        let load = |tiers: &[Tier], in_force: &Directory| {
            let mut faults = Vec::new();
            let directory = load(&path, tiers, Some(in_force), &mut faults);
            (directory, faults.iter().map(|fault| fault.key.clone()).collect::<Vec<_>>())
        };
        std::fs::write(&path, "address,tier\na@b.example,advanced\n").unwrap();
        let first = load(&tiers(), &Directory::default()).0.unwrap();
        assert_eq!((first.len(), first.edition()), (1, edition_of(&path)));
        // What cannot be in the file shows that it was not read.
        let mut marked = first.clone();
        marked.add_address(EmailAddress::parse("mark@b.example").unwrap(), Customer::default());
        assert_eq!(load(&tiers(), &marked).0.unwrap().len(), 2, "the one in force");
        assert_eq!(load(&tiers()[..1], &marked).1, ["tier"], "a tier of it is gone: read again, to tell where");
        std::fs::write(dir.path().join("new"), "address,tier\nc@b.example,advanced\n@b.example,basic\n,basic\n").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert_eq!(load(&tiers(), &marked).1, ["address"], "another file");
        assert!(load_error(&dir.path().join("none")).starts_with("cannot be read"));
        assert_eq!(load_error(dir.path()), "is no file");
    }

    fn load_error(path: &Path) -> String {
        load(path, &tiers(), None, &mut Vec::new()).unwrap_err()
    }
}
