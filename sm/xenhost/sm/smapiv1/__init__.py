"""A host for SMAPIv1 plugins: executables that take an XML-RPC document as their argument, as xapi runs them."""
