"""The API as bytes: what clients send and get. Nothing else knows XML-RPC, JSON-RPC or HTTP.

xmlrpc, jsonrpc, bounds   documents, without input or output
caller, access            who calls, what a role may
endpoint                  one request: document, session, role, call, document
"""
