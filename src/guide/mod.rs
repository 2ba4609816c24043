//! Guides, each to be read by itself: as a page here, or as a plain file of the repository, `src/guide/*.md`.
//!
//! | guide | for whoever |
//! | --- | --- |
//! | [`writing`] | writes an application: routes, forms, uploads, sessions, streams, authorizers |
//! | [`testing`] | tests one, without a socket |
//! | [`deploying`] | has a binary, and a web server or a shared host |
//! | [`debugging`] | has an error page, or something slow |
//! | [`security`] | is asked what a stranger can do |
//! | [`sizing`] | has little memory, few threads, few files |
//! | [`coming_from`] | knows flup, libfcgi, php-fpm or outer_cgi |
//! | [`architecture`] | reads the source |
//! | [`decisions`] | would have decided otherwise |
//!
//! They are compiled for `cargo doc` and for tests alone: every example in them runs.

/// A guide's text links to the others by file name, for who reads it in the repository. What is defined first counts, so
/// that here the same links lead to the modules.
macro_rules! guide {
    ($name:ident, $file:literal) => {
        /// [the guide on writing]: crate::guide::writing
        /// [the guide on testing]: crate::guide::testing
        /// [the guide on deploying]: crate::guide::deploying
        /// [the guide on debugging]: crate::guide::debugging
        /// [the guide on security]: crate::guide::security
        /// [the guide on sizing]: crate::guide::sizing
        /// [the guide on architecture]: crate::guide::architecture
        /// [the guide on decisions]: crate::guide::decisions
        ///
        #[doc = include_str!($file)]
        pub mod $name {}
    };
}

guide!(writing, "writing.md");
guide!(testing, "testing.md");
guide!(deploying, "deploying.md");
guide!(debugging, "debugging.md");
guide!(security, "security.md");
guide!(sizing, "sizing.md");
guide!(coming_from, "coming_from.md");
guide!(architecture, "architecture.md");
guide!(decisions, "decisions.md");
