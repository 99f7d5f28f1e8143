"""Payment providers behind one port, and how what is due of a payment is carried out."""
