//! Gates: policies, and the verdicts that they give.
