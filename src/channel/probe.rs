//! What `guichet doctor` finds out about the outside world: one line for each thing that was tried.

/// One thing that was tried, such as `sign-in`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub what: String,
    pub fault: Option<Wrong>,
}

/// What is wrong, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub said: String,
    pub remedy: String,
}

impl Finding {
    /// As it should be.
    #[must_use]
    pub fn ok(what: impl Into<String>) -> Self {
        Self { what: what.into(), fault: None }
    }

    /// Not as it should be.
    #[must_use]
    pub fn failed(what: impl Into<String>, said: &(impl ToString + ?Sized), remedy: impl Into<String>) -> Self {
        Self { what: what.into(), fault: Some(Wrong { said: said.to_string(), remedy: remedy.into() }) }
    }
}
