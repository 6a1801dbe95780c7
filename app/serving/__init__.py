"""The server beside Streamlit: what browsers fetch, and how a process starts."""
