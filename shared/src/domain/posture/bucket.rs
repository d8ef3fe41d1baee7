//! How a bucket is set to keep what lies in it.

/// How a bucket is kept. What could not be learned is none, never a zero: why stands in `unseen`, if the store knows the
/// question at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketPosture {
    /// Whether what is deleted or replaced is kept as a former version.
    pub versioning: Option<bool>,
    /// What it encrypts with where nobody says anything else.
    pub encryption: Option<Encryption>,
    /// Whether objects can be kept from being deleted for a time.
    pub lock: Option<Lock>,
    /// The rules by which it deletes and moves objects by itself; only those that are switched on.
    pub lifecycle: Option<Vec<Lifecycle>>,
    /// Whether people who are nobody to us can read it.
    pub exposure: Option<Exposure>,
    /// What could not be looked at, and why.
    pub unseen: Vec<(String, String)>,
}

/// What a bucket encrypts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// Nothing.
    Nothing,
    /// Keys that the store manages and nobody else sees.
    OfTheStore,
    /// A key of a key service, by its name; none where it is the service's own.
    Key(Option<String>),
}

/// Whether objects can be kept from being deleted for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// They cannot.
    Off,
    /// They can; every new one is for so many days, if the bucket says so.
    On {
        /// The days.
        days: Option<u32>,
    },
}

/// A rule by which a bucket deletes or moves objects by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// Its name.
    pub id: String,
    /// What the keys begin with that it is about; empty is: all of them.
    pub prefix: String,
    /// Whether it is only about objects that bear certain tags. Ours bear none.
    pub tagged: bool,
    /// When it deletes current objects.
    pub expires: Option<Expiry>,
    /// After how many days it deletes former versions.
    pub noncurrent_days: Option<u32>,
    /// After how many days it moves objects to an archive that must be asked hours ahead, and which.
    pub archives: Option<(u32, String)>,
    /// After how many days it removes uploads that were never finished.
    pub uploads_days: Option<u32>,
}

/// When a rule deletes an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// This many days after it was written.
    After(u32),
    /// All of them on one day.
    On(String),
}

/// Whether people who are nobody to us can read a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exposure {
    /// They cannot, and nobody can let them by mistake.
    Closed,
    /// They cannot, but one careless policy or list would let them: what is not blocked.
    Unguarded(String),
    /// They can: by what.
    Public(String),
}

impl Lifecycle {
    /// Whether the rule is about some object whose key begins so.
    pub fn touches(&self, folder: &str) -> bool {
        !self.tagged && (self.prefix.starts_with(folder) || folder.starts_with(&self.prefix))
    }
}
