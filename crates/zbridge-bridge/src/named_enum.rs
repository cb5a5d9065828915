/// Declares an enum whose alternatives have names that users type and files hold.
///
/// The one table of names serves parsing, display, help and files, so that they cannot differ.
macro_rules! named_enum {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $Enum:ident($what:literal) {
            $($(#[$of_variant:meta])* $Variant:ident = $name:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(serde::Serialize, serde::Deserialize)]
        $visibility enum $Enum {
            $($(#[$of_variant])* #[serde(rename = $name)] $Variant,)+
        }

        impl $Enum {
            /// All alternatives, in their order.
            pub const ALL: &'static [Self] = &[$(Self::$Variant),+];

            /// Returns the name that users type and files hold.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }
        }

        impl std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $Enum {
            type Err = $crate::BridgeError;

            fn from_str(name: &str) -> Result<Self, $crate::BridgeError> {
                let known = Self::ALL.iter().map(|alternative| alternative.name());
                let found = Self::ALL.iter().find(|alternative| alternative.name() == name);
                found
                    .copied()
                    .ok_or_else(|| $crate::BridgeError::unknown($what, name, known))
            }
        }
    };
}

pub(crate) use named_enum;

#[cfg(test)]
mod tests {
    use crate::{Divergence, Family};

    #[test]
    fn parsing_display_and_files_have_the_same_names() {
        for &family in Family::ALL {
            assert_eq!(family.to_string().parse::<Family>().unwrap(), family);
            let in_files = serde_json::to_string(&family).unwrap();
            assert_eq!(in_files, format!("\"{family}\""));
            assert_eq!(serde_json::from_str::<Family>(&in_files).unwrap(), family);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_by_the_known_ones() {
        let error = "kl".parse::<Divergence>().unwrap_err().to_string();
        let expected = "no divergence `kl`; there are: reverse-kl, forward-kl, jeffreys";
        assert_eq!(error, expected);
    }
}
