//! The roles that a plain dump names outside of its data, line by line and in constant memory: as owners, and as whom something is
//! granted to.

use std::collections::BTreeSet;

/// What of a line is kept: no statement about a role is longer.
const LONGEST: usize = 1024;
/// No database has more roles that own something.
const MOST: usize = 1000;

/// A reader of roles.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Those that were named so far.
    pub(super) roles: BTreeSet<String>,
    line: Vec<u8>,
    in_data: bool,
}

impl Named {
    /// Reads on.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end]);
            self.ended();
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    fn keep(&mut self, part: &[u8]) {
        // One more than the longest tells that it was too long.
        let room = (LONGEST + 1).saturating_sub(self.line.len());
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn ended(&mut self) {
        let line = std::mem::take(&mut self.line);
        let Ok(line) = std::str::from_utf8(&line) else { return };
        if self.in_data {
            self.in_data = line != "\\.";
            return;
        }
        self.in_data = line.starts_with("COPY ") && line.ends_with(" FROM stdin;");
        if line.len() > LONGEST || self.roles.len() >= MOST {
            return;
        }
        self.roles.extend(role(line));
    }
}

/// The role that a statement is about.
fn role(line: &str) -> Option<String> {
    let statement = line.strip_suffix(';')?;
    let named = if statement.starts_with("ALTER ") && !statement.starts_with("ALTER DEFAULT ") {
        statement.rsplit_once(" OWNER TO ")?.1
    } else if statement.starts_with("GRANT ") {
        statement.strip_suffix(" WITH GRANT OPTION").unwrap_or(statement).rsplit_once(" TO ")?.1
    } else if let Some(rest) = statement.strip_prefix("ALTER DEFAULT PRIVILEGES FOR ROLE ") {
        rest.split_once(' ')?.0
    } else {
        return None;
    };
    let role = match named.strip_prefix('"').and_then(|named| named.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None if named.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'$') => {
            named.to_owned()
        }
        None => return None,
    };
    (!role.is_empty() && role.len() <= 63 && !role.chars().any(char::is_control)).then_some(role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DUMP: &str = "CREATE TABLE public.t (x text);\n\nALTER TABLE public.t OWNER TO pegasus;\n\nCOPY public.t (x) FROM stdin;\n\
                        ALTER TABLE public.t OWNER TO evil;\nGRANT ALL ON x TO worse;\n\\.\n\nGRANT SELECT ON TABLE public.t TO \"Odd \"\"One\" WITH GRANT OPTION;\n\
                        ALTER SCHEMA s OWNER TO cloudsqlsuperuser;\nALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA public GRANT ALL ON TABLES TO taker;\n\
                        GRANT ALL ON SCHEMA public TO PUBLIC;\nSELECT 'ALTER TABLE x OWNER TO not_this;';\n";

    fn named(dump: &str, cut: usize) -> Vec<String> {
        let mut named = Named::default();
        dump.as_bytes().chunks(cut).for_each(|part| named.read(part));
        named.roles.into_iter().collect()
    }

    #[test]
    fn roles_are_read_outside_of_the_data_wherever_the_bytes_are_cut() {
        for cut in 1..200 {
            assert_eq!(named(DUMP, cut), ["Odd \"One", "cloudsqlsuperuser", "maker", "pegasus"], "{cut}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_nothing_breaks_and_nothing_grows(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
            let mut named = Named::default();
            named.read(&bytes);
            prop_assert!(named.line.len() <= LONGEST + 1);
        }
    }
}
