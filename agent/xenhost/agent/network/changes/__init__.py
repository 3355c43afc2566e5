"""What a request makes of what is wanted. Pure: nothing here touches the host."""
