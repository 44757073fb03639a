//! Responses of real servers, as other projects collected them.
