//! Which tokens a project's server takes: the table of user types, issuers and audiences.

use std::sync::Arc;

/// A Stack Auth project, as its tokens name it.
#[derive(Debug)]
pub struct Project {
    pub id: String,
    /// The addresses whose `iss` counts, without a trailing slash.
    pub bases: Vec<String>,
    /// The last user type that is allowed.
    pub allowed: UserType,
}

/// To allow one is to allow those before it: to Stack Auth, an anonymous user is also a restricted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserType {
    Regular,
    Restricted,
    Anonymous,
}

impl UserType {
    const ALL: [Self; 3] = [Self::Regular, Self::Restricted, Self::Anonymous];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Restricted => "restricted",
            Self::Anonymous => "anonymous",
        }
    }

    fn issuer(self, base: &str, project: &str) -> String {
        let collection = match self {
            Self::Regular => "projects",
            Self::Restricted => "projects-restricted-users",
            Self::Anonymous => "projects-anonymous-users",
        };
        format!("{base}/api/v1/{collection}/{project}")
    }

    fn audience(self, project: &str) -> String {
        match self {
            Self::Regular => project.to_owned(),
            Self::Restricted => format!("{project}:restricted"),
            Self::Anonymous => format!("{project}:anon"),
        }
    }
}

/// An `iss`, and what goes with it. No two of a project have the same `iss`.
#[derive(Debug)]
pub struct Issuer {
    pub iss: Arc<str>,
    pub aud: Arc<str>,
    pub user_type: UserType,
    pub allowed: bool,
}

impl Project {
    pub fn issuers(&self) -> Box<[Issuer]> {
        let of_type = |user_type: UserType| {
            let aud: Arc<str> = user_type.audience(&self.id).into();
            self.bases.iter().map(move |base| Issuer {
                iss: user_type.issuer(base, &self.id).into(),
                aud: Arc::clone(&aud),
                user_type,
                allowed: user_type <= self.allowed,
            })
        };
        UserType::ALL.into_iter().flat_map(of_type).collect()
    }

    /// The address in the docs has no query; unknown query keys are refused with a 400.
    pub fn jwks_url(&self, base: &str) -> String {
        let query = match self.allowed {
            UserType::Regular => "",
            UserType::Restricted => "?include_restricted=true",
            UserType::Anonymous => "?include_anonymous=true",
        };
        format!("{base}/api/v1/projects/{}/.well-known/jwks.json{query}", self.id)
    }
}
