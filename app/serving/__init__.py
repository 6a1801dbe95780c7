"""The server's part beside Streamlit: file routes, and startup."""
